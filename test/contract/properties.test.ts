/**
 * Every operation, given what its schemas allow and what they do not.
 *
 * Requests are made from openapi.yaml, so a new operation is covered by itself. Where no request succeeds, KNOWN lacks a field whose value must exist;
 * where one is refused for a good reason that no schema can express, REFUSALS lacks that.
 *
 * SEED=1 repeats a run; RUNS=500 makes a long one (20 by default); HOLD=1 keeps the server up after a finding, so that its curl line can be tried
 * (a name can be registered once only: change it in the line):
 * SEED=1 HOLD=1 npm run test:contract
 */
import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { operations } from '../../generated/operations.ts'
import { requireAcceptablePassword } from '../../src/auth/password-rules.ts'
import type { Schema } from '../../src/contract/spec.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { EMBEDDED, PASSWORD, type Person, startApp } from '../support/app.ts'
import { type Caller, type LooseRequest, send } from '../support/client.ts'
import { mailTokenOf, PURPOSES } from '../support/mail-tokens.ts'
import { arbitraryOf, variantsOf } from './arbitrary.ts'
import {
  type Attempt,
  Breach,
  faultsOf,
  type Part,
  type Parts,
  type PartsOf,
  partsOf,
  schemaOf,
  sendWire,
  type Wire,
  wireOf,
} from './property-requests.ts'
import { type Answered, createIds, type Ids, isForAdmins, isForm, OPERATIONS, SCOPES, unknownIds } from './walk.ts'

const RUNS_BY_DEFAULT = 20
const SEED = Number(process.env['SEED'] ?? Math.trunc(Math.random() * 2 ** 31))
const RUNS = Number(process.env['RUNS'] ?? RUNS_BY_DEFAULT)
const HOLD = process.env['HOLD'] !== undefined

/** To make one small takes a hundred requests: a fault that is everywhere must not take the whole evening. */
const FINDINGS_TO_SHRINK = 20
/** To break what is refused anyway shows nothing. */
const UNTRIED = 'untried, because it refuses what its schemas allow'

/** What a request needs to succeed: somebody, something of theirs for every id that it names, what is known of that, what was mailed to them; and somebody else. */
type World = Readonly<{ person: Person; ids: Partial<Ids>; mailToken: string; etag: string; shown: Fields; stranger: Person; strangers: Ids }>
/** In a request it stands for what only exists when that is sent. */
type Known = (world: World) => unknown
type Fields = Record<string, unknown>

const IDS = new Set(OPERATIONS.flatMap((id) => [...operations[id].path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as keyof Ids)))
/** What ends with the thing of an id, or changes with it. */
const BELONGINGS: Partial<Record<keyof Ids, readonly (keyof Ids)[]>> = { listId: ['taskId'], taskId: ['reminderId'], webhookId: ['deliveryId'] }
const isId = (name: string): name is keyof Ids => IDS.has(name as keyof Ids)

/** Fields, of all operations or of one, with the values that lead to a success. */
const KNOWN: Readonly<Record<string, readonly Known[]>> = {
  ...Object.fromEntries([...IDS].map((name): [string, Known[]] => [name, [({ ids }) => ids[name], ({ ids }) => ids[name]?.toUpperCase()]])),
  // Of its own for each request: what comes again is another story (test/idempotency).
  'Idempotency-Key': [() => randomUUID(), () => `${'!~"'.repeat(70)}${randomUUID()}`],
  'If-Match': [() => '*', ({ etag }) => etag, ({ etag }) => `"0", ${etag}`],
  'login username': [({ person }) => person.username, ({ person }) => ` ${person.email.toUpperCase()}`],
  'login password': [() => PASSWORD],
  'createToken username': [({ person }) => person.username, ({ person }) => person.email],
  'createToken password': [() => PASSWORD],
  'createToken refresh_token': [({ person }) => person.refreshToken],
  'refresh refreshToken': [({ person }) => person.refreshToken],
  token: [({ mailToken }) => mailToken],
  currentPassword: [() => PASSWORD],
  'createApiToken scopes': [() => ['account:write', 'tasks:read'], () => ['account:read']],
  // One of the two is sent. The task is due in 2099.
  'createReminder at': [() => undefined],
  'createReminder minutesBefore': [() => 0, () => 40320],
  'createToken scope': [() => 'tasks:read', () => 'account:read tasks:write'],
}

/** Fields with values that lead to a refusal, or to a 304. */
const TAKEN: Readonly<Record<string, readonly Known[]>> = {
  'createReminder at': [() => '2099-01-31T23:00:00+01:00'],
  'register username': [({ stranger }) => stranger.username.toUpperCase()],
  'register email': [({ stranger }) => stranger.email.toUpperCase()],
  'updateMe username': [({ stranger }) => stranger.username, ({ person }) => person.username.toUpperCase()],
  'If-None-Match': [() => '*', ({ etag }) => etag, ({ etag }) => `"0", W/${etag}`],
}

/** Fields that nobody can make up a value of. */
const OPAQUE = ['cursor', 'If-None-Match', 'Last-Event-ID']

/** Names and addresses in lower case that are registered, with the password. */
const accounts = new Map<string, string>()
const textOf = (value: unknown) => (typeof value === 'string' ? value : '')
const loginOf = (name: unknown) => textOf(name).trim().toLowerCase()
const opens = (name: unknown, password: unknown) => accounts.get(loginOf(name)) === textOf(password).normalize('NFC')

/** A password that nobody may have. */
const isRefused = (password: unknown, { username, email }: Fields) => {
  try {
    requireAcceptablePassword(textOf(password), { username: textOf(username).trim(), email: textOf(email).trim() }, '')
    return false
  } catch {
    return true
  }
}
const isWrong = (password: unknown) => textOf(password).normalize('NFC') !== PASSWORD

/** What an operation that sets a name has taken. */
function remember({ username, email, password = PASSWORD }: Fields): void {
  for (const name of [username, email]) if (name !== undefined) accounts.set(loginOf(name), textOf(password).normalize('NFC'))
}

/** Why one operation refuses what its schemas allow, by status. */
const REFUSALS: Partial<Record<OperationId, (body: Fields, world: World) => readonly (number | false)[]>> = {
  register: ({ username, email, password }) => [
    (accounts.has(loginOf(username)) || accounts.has(loginOf(email))) && 409,
    isRefused(password, { username, email }) && 422,
  ],
  updateMe: ({ username }, { person }) => [accounts.has(loginOf(username)) && loginOf(username) !== person.username && 409],
  refresh: ({ refreshToken }, { person }) => [refreshToken !== person.refreshToken && 401],
  changePassword: ({ currentPassword, newPassword }, { person }) => [(isWrong(currentPassword) || isRefused(newPassword, person)) && 422],
  resetPassword: ({ token, password }, { mailToken, person }) => [(token !== mailToken || isRefused(password, person)) && 422],
  verifyEmail: ({ token }, { mailToken }) => [token !== mailToken && 422],
  changeEmail: ({ currentPassword }) => [isWrong(currentPassword) && 422],
  deleteMe: ({ currentPassword }) => [isWrong(currentPassword) && 422],
  createApiToken: ({ scopes, currentPassword }) => [Array.isArray(scopes) && scopes.includes('admin') && 403, isWrong(currentPassword) && 422],
  createReminder: ({ at, minutesBefore }) => [
    at !== undefined && minutesBefore !== undefined && 422,
    at !== undefined && Date.parse(textOf(at).toUpperCase()) <= Date.now() && 422,
  ],
  login: ({ username, password }) => [!opens(username, password) && 401],
  createToken({ grant_type, username, password, refresh_token, scope = '' }, { person }) {
    if (grant_type === 'refresh_token') return [refresh_token !== person.refreshToken && 400]
    if (username === undefined || password === undefined) return [400]
    const scopes = textOf(scope).split(' ')
    return [!opens(username, password) && 401, scopes.some((name) => name === 'admin' || !['', ...SCOPES].includes(name)) && 400]
  },
}

/** The statuses of which one must answer a request in spite of its schemas; none where it must succeed. */
function refusalsOf(id: OperationId, { path, query, header, body }: Parts<Fields>, world: World): number[] {
  const tagsOf = (list: unknown) => textOf(list).split(/\s*,\s*/)
  const matches = (list: unknown, ...tags: string[]) => tagsOf(list).some((tag) => tag === '*' || tags.includes(tag))
  const isForeign = ([name, value]: [string, unknown]) => isId(name) && textOf(value).toLowerCase() !== world.ids[name]
  const { 'If-Match': ifMatch, 'If-None-Match': ifNoneMatch } = header ?? {}
  const refusals = [
    Object.entries({ ...body, ...path }).some(isForeign) && 404,
    query?.['cursor'] !== undefined && 422,
    header?.['Last-Event-ID'] !== undefined && 400,
    ifMatch !== undefined && !matches(ifMatch, world.etag) && 412,
    ifNoneMatch !== undefined && matches(ifNoneMatch, world.etag, `W/${world.etag}`) && 304,
    ...(REFUSALS[id]?.(body ?? {}, world) ?? []),
  ]
  return refusals.filter((status) => status !== false)
}

const propertiesOf = (id: OperationId, part: Part) => variantsOf(schemaOf(id, part) ?? { type: 'null' })[0]?.properties ?? {}

/** The fields of a part that a table has values for. */
function valuesOf(table: typeof KNOWN, id: OperationId, part: Part): Record<string, fc.Arbitrary<Known>> {
  const fields = Object.keys(propertiesOf(id, part)).map((name) => [name, table[`${id} ${name}`] ?? table[name] ?? []] as const)
  return Object.fromEntries(fields.flatMap(([name, values]) => (values.length === 0 ? [] : [[name, fc.constantFrom(...values)]])))
}

/** Requests that lack nothing. */
const complete = (id: OperationId): PartsOf =>
  partsOf(id, (part, values) =>
    fc.tuple(values, fc.record(valuesOf(KNOWN, id, part))).map(([values, known]) => {
      const free = Object.entries(values as Fields).filter(([name]) => !OPAQUE.includes(name))
      return { ...Object.fromEntries(free), ...known }
    }),
  )

/** Requests that may lack what they need, or meet what is in their way. Few lack the thing itself: the 404 would hide the rest. */
const uncertain = (id: OperationId): PartsOf =>
  partsOf(id, (part, values) => {
    const known = { ...valuesOf(KNOWN, id, part), ...valuesOf(TAKEN, id, part) }
    const freq = part === 'path' ? 5 : 1
    const some = fc.record(Object.fromEntries(Object.entries(known).map(([name, value]) => [name, fc.option(value, { freq, nil: undefined })])))
    return fc.tuple(values, some).map(([values, some]) => {
      const filled = Object.entries(some).filter(([, value]) => value !== undefined)
      // Small keys collide.
      const { 'Idempotency-Key': _, ...free } = values as Fields
      return { ...free, ...Object.fromEntries(filled) }
    })
  })

/** A request with what exists in a world. */
function inWorld(parts: Parts, world: World): Parts {
  const fill = (part: unknown) => {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part
    return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, typeof value === 'function' ? value(world) : value]))
  }
  return Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, fill(part)]))
}

/**
 * What an answer has to show in its fields of the same names as those of the body: what that sets, by itself or by default, and otherwise what was
 * there before. The parameters of a form are no resource, and neither is a refresh token.
 */
function echoOf(id: OperationId, body: Fields, before: Fields): Fields {
  const fields = Object.entries(isForm(id) || id === 'refresh' ? {} : propertiesOf(id, 'body')).map(([name, property]) => {
    const set = Object.hasOwn(body, name) ? body[name] : variantsOf(property)[0]?.['default']
    return [name, set === undefined ? before[name] : shownAs(set, property)]
  })
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined))
}

/** The embedded database takes U+FEFF at the start of a text for a byte-order mark and drops it when it reads the text. */
const stored = (text: string) => (EMBEDDED ? text.replace(/^\uFEFF/, '') : text)

function shownAs(value: unknown, schema: Schema): unknown {
  const [variant] = variantsOf(schema)
  if (Array.isArray(value)) return value.map((item) => shownAs(item, variant?.items ?? {}))
  if (typeof value !== 'string') return value
  if (variant?.format === 'uuid') return value.toLowerCase()
  if (variant?.format?.includes('date') && /t/i.test(value)) return new Date(value.toUpperCase()).toISOString()
  return variant?.['x-trim'] === true ? value.trim() : stored(value)
}

type Search = Readonly<{ what: string; requests: fc.Arbitrary<Attempt>; numRuns?: number; seed?: number; mayMeetTaken?: boolean }>
type Outcome = Readonly<{ answer: Answered; wire: Wire; parts: Parts; sent: Parts<Fields>; refusals: number[]; world: World }>
type Judge = (outcome: Outcome) => void | Promise<void>
type Page = Partial<Readonly<{ items: unknown[]; nextCursor: string | null }>>

// A long run, or a look at a finding, takes its time.
if (RUNS > RUNS_BY_DEFAULT || HOLD) t.setTimeout(0)

t.test('properties', async (t) => {
  t.comment(`SEED=${SEED} RUNS=${RUNS}`)
  const { url, as, context, register, registerAdmin, logged } = await startApp(t, { ACCESS_TOKEN_SECONDS: '86400', LOGIN_FREE_FAILURES: '1000000' })

  const enrolled = async (joining: Promise<Person>) => {
    const person = await joining
    for (const name of [person.username, person.email]) accounts.set(name, PASSWORD)
    return person
  }
  /** For createIds: where it fails, a curl line shows how. */
  const callerOf = ({ accessToken }: Person): Caller => {
    const call = async (id: OperationId, { params: path, body, expect }: LooseRequest & { expect?: number }) => {
      const wire = wireOf(url, id, accessToken, { path, body })
      const answer = await sendWire(id, wire)
      if (answer.status !== expect) throw new Breach(`${expect} expected`, wire, answer)
      return answer
    }
    return call as unknown as Caller
  }
  const stranger = await enrolled(register())
  const strangers = await createIds(callerOf(stranger))
  const strangersThings = async () => [
    (await as(stranger)('getMe', { expect: 200 })).text,
    (await as(stranger)('getList', { params: strangers, expect: 200 })).text,
    (await as(stranger)('getTask', { params: strangers, expect: 200 })).text,
  ]
  const before = await strangersThings()
  // What only reads shares a world, in which there is something to read.
  const reader = await enrolled(registerAdmin())
  const readers = await createIds(callerOf(reader))
  for (const body of fc.sample(arbitraryOf({ $ref: '#/components/schemas/NewListTask' }, 'json'), { numRuns: 40, seed: SEED })) {
    // Whether it answers as it should is looked at below.
    await send(url, 'createListTask', reader.accessToken, { params: readers, body })
  }

  const wireIn = (id: OperationId, parts: Parts, { person }: World) => wireOf(url, id, operations[id].public ? undefined : person.accessToken, parts)

  async function createWorld(id: OperationId): Promise<World> {
    const { method, path, scopes } = operations[id]
    const person = method === 'GET' ? reader : await enrolled(scopes.some((scope: string) => scope === 'admin') ? registerAdmin() : register())
    const named = [...IDS].filter((name) => path.includes(`{${name}}`) || name in propertiesOf(id, 'body'))
    const needed = id === 'deleteMe' ? undefined : named.flatMap((name) => [name, ...(BELONGINGS[name] ?? [])])
    const ids = method === 'GET' ? readers : await createIds(callerOf(person), needed)
    const mailToken = id === 'resetPassword' || id === 'verifyEmail' ? await mailTokenOf(context, person, PURPOSES[id]) : ''
    const world = { person, ids, mailToken, etag: '', shown: {}, stranger, strangers }
    const twin = OPERATIONS.find((other) => operations[other].method === 'GET' && operations[other].path === path)
    if (twin === undefined || !path.includes('{')) return world
    return afterwards(world, await sendWire(twin, wireIn(twin, { path: ids }, world)))
  }

  const afterwards = (world: World, { headers, body }: Answered): World => ({ ...world, etag: headers.get('etag') ?? '', shown: body as Fields })

  const worlds = new Map<OperationId, World>()
  let findings = 0
  /** Looks for a request that breaks a property, and shows the smallest one. A world in which something may have changed is not used again. */
  async function hold(t: Test, id: OperationId, search: Search, judge: Judge): Promise<boolean> {
    const { what, requests, numRuns = RUNS, seed = SEED, mayMeetTaken = false } = search
    const property = fc.asyncProperty(requests, async ({ parts, spoil }) => {
      const world = worlds.get(id) ?? (await createWorld(id))
      worlds.set(id, world)
      const sent = inWorld(parts, world) as Parts<Fields>
      const refusals = refusalsOf(id, sent, world)
      // Small names collide, and a 409 would hide what is looked for.
      fc.pre(mayMeetTaken || !refusals.includes(409))
      const intact = wireIn(id, sent, world)
      const wire = spoil?.(intact) ?? intact
      worlds.delete(id)
      const answer = await sendWire(id, wire)
      const { method, path } = operations[id]
      if (method === 'GET' || answer.status >= 400) worlds.set(id, world)
      // One change after the other, so that there is something to clear and something to leave as it is.
      else if (method === 'PATCH' && path.includes('{')) worlds.set(id, afterwards(world, answer))
      if (answer.status < 300 && (id === 'register' || id === 'updateMe')) remember(sent.body ?? {})
      await judge({ answer, wire, parts, sent, refusals, world })
    })
    const { failed, errorInstance } = await fc.check(property, { seed, numRuns, endOnFailure: findings >= FINDINGS_TO_SHRINK })
    if (!failed) return t.pass(what)
    findings += 1
    const message = errorInstance instanceof Breach ? errorInstance.message : String((errorInstance as Error).stack)
    process.stderr.write(`\n${id}: ${what} (SEED=${SEED} RUNS=${RUNS})\n  ${message}\n`)
    return t.fail(`${what}: ${message.split('\n')[0]}`)
  }

  for (const id of OPERATIONS) {
    let successes = 0
    let accepted = false
    async function accept({ answer, wire, sent, refusals, world }: Outcome): Promise<void> {
      const right = refusals.length > 0 ? refusals.includes(answer.status) : answer.status < 300
      if (!right) throw new Breach(`${refusals.join(' or ') || '2xx'} expected: its schemas allow this`, wire, answer)
      if (answer.status >= 300) return
      successes += 1
      for (const [name, value] of Object.entries(echoOf(id, sent.body ?? {}, world.shown))) {
        const shown = (answer.body as Fields | undefined)?.[name]
        if (shown !== undefined && !isDeepStrictEqual(shown, value))
          throw new Breach(`${name} must come back as ${JSON.stringify(value)}`, wire, answer)
      }
      const { items = [], nextCursor = null } = (answer.body ?? {}) as Page
      if (nextCursor === null) return
      const following = wireIn(id, { ...sent, query: { ...sent.query, cursor: nextCursor } }, world)
      const next = await sendWire(id, following)
      const again = (next.body as Page).items?.some((item) => items.some((other) => isDeepStrictEqual(item, other)))
      if (next.status !== 200 || again) throw new Breach('the next page must follow', following, next)
    }

    t.test(`${id}: 2xx to what its schemas allow`, async (t) => {
      accepted = await hold(t, id, { what: 'when it lacks nothing', requests: fc.record({ parts: fc.record(complete(id)) }) }, accept)
      t.ok(successes >= RUNS / 2, `${successes} of ${RUNS} requests were successful`)
      await hold(t, id, { what: 'unless there is a reason', requests: fc.record({ parts: fc.record(uncertain(id)) }), mayMeetTaken: true }, accept)
    })

    t.test(`${id}: 4xx that names the field to what its schemas do not allow`, async (t) => {
      if (!accepted) return void t.comment(UNTRIED)
      for (const [index, { what, status, names, requests }] of faultsOf(id, complete(id)).entries()) {
        const search = { what, requests, numRuns: Math.ceil(RUNS / 10), seed: SEED + index }
        await hold(t, id, search, ({ answer, wire }) => {
          const { errors } = answer.body as { errors?: { in: string; path: string }[] }
          const named = errors?.map((error) => ({ in: error.in, path: error.path }))
          if (answer.status !== status) throw new Breach(`${status} expected`, wire, answer)
          if (!isDeepStrictEqual(named, names && [names])) throw new Breach(`it must name ${JSON.stringify(names)} and nothing else`, wire, answer)
        })
      }
    })

    const slots = (['path', 'body'] as const).flatMap((part) => {
      return Object.keys(propertiesOf(id, part)).flatMap((name) => (isId(name) ? [{ part, name }] : []))
    })
    if (slots.length === 0 || isForAdmins(id)) continue
    t.test(`${id}: to a stranger, what is answered to an unknown id`, async (t) => {
      if (!accepted) return void t.comment(UNTRIED)
      const requests = fc.tuple(fc.record(complete(id)), fc.subarray(slots, { minLength: 1 })).map(([valid, chosen]) => {
        const parts = { ...valid, header: { ...(valid.header as Fields), 'X-Request-Id': 'the-same-for-both' } } as Record<Part, Fields>
        for (const { part, name } of chosen) {
          const theirs: Known = ({ strangers }) => strangers[name]
          parts[part] = { ...parts[part], [name]: theirs }
        }
        return { parts }
      })
      await hold(t, id, { what: 'the same', requests }, async ({ answer, wire, parts, world }) => {
        const nobodys = inWorld(parts, { ...world, strangers: unknownIds(strangers) })
        const other = await sendWire(id, wireIn(id, nobodys, world))
        const same = answer.status === other.status && answer.text === other.text
        if (answer.status < 400 || !same) throw new Breach(`an unknown id is answered ${other.status} ${other.text}`, wire, answer)
      })
    })
  }

  t.test('nothing of the stranger has changed', async (t) => {
    t.same(await strangersThings(), before)
  })

  t.test('none of these requests was a defect', async (t) => {
    const defects = logged.filter(({ level, requestId }) => Number(level) >= 40 && requestId !== undefined)
    t.same(defects, [])
  })

  t.test('no keyword and no format passes by which no values are made', async (t) => {
    const id = { $ref: '#/components/schemas/Id' }
    for (const schema of [
      { type: 'string', minItems: 1 },
      { type: 'number' },
      { ...id, maxLength: 3 },
      { type: 'string', format: 'ipv4' },
      { oneOf: [id] },
    ]) {
      t.throws(() => arbitraryOf(schema, 'json'), { message: /^No values are made by/ })
    }
  })

  t.test('the server is kept up for a look at the findings', { skip: !HOLD }, async () => {
    if (findings === 0) return
    process.stderr.write(`\n${url} is kept up until this is stopped.\n`)
    await new Promise(() => undefined)
  })
})
