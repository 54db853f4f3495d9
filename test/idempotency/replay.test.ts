import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import t from 'tap'
import { acceptable, call, createIds, OPERATIONS, SECURED } from '../contract/walk.ts'
import { exchange } from '../http/raw.ts'
import { PASSWORD, type Person, startApp } from '../support/app.ts'
import { operationOf } from '../support/contract-check.ts'
import { everyValue } from '../support/rows.ts'

const keyed = (key: string) => ({ 'Idempotency-Key': key })
const takesKey = (id: (typeof OPERATIONS)[number]) => operationOf(id).parameters.some(({ name }) => name === 'Idempotency-Key')
const replayed = ({ headers }: { headers: Headers }) => headers.get('idempotency-replayed')

/** What makes another request of the one that the document shows. */
const OTHER: Readonly<Partial<Record<(typeof OPERATIONS)[number], object>>> = {
  createList: { title: 'Other' },
  createTask: { title: 'Other' },
  createListTask: { title: 'Other' },
  createApiToken: { name: 'Other' },
  createReminder: { at: '2098-02-01T08:00:00Z' },
  createWebhook: { description: 'Other' },
}

/** After these there is nobody left to whom a second answer could be given. */
const ENDING = ['logout', 'deleteMe']

t.test('Idempotency-Key', async (t) => {
  const { as, register, registerAdmin, context, url, logged } = await startApp(t)
  const { db } = context
  const ada = await register()
  const titlesOf = async (person: Person) =>
    (await as(person)('listTasks', { query: { limit: 100 }, expect: 200 })).body.items.map(({ title }) => title)

  t.test('every POST that needs a token takes one but those that end who asks, and no other operation does', async (t) => {
    const posts = SECURED.filter((id) => operationOf(id).method === 'POST' && !ENDING.includes(id))
    t.same(OPERATIONS.filter(takesKey), posts)
    for (const id of posts) {
      const { responses } = operationOf(id)
      t.ok(responses.has(409) && responses.has(422), id)
      const success = [...responses].find(([status]) => status < 300)
      t.ok(success?.[1].headers?.['Idempotency-Replayed'], id)
    }
  })

  for (const id of OPERATIONS.filter(takesKey)) {
    t.test(`${id}: is carried out once, answered alike, and refused with anything else in it`, async (t) => {
      const person = await registerAdmin()
      const params = await createIds(as(person))
      const key = randomUUID()
      const request = { ...acceptable(id, params), headers: keyed(key) }
      const first = await call(url, id, person.accessToken, request)
      t.ok(first.status < 300, first.text)
      t.equal(replayed(first), null)
      const rows = await everyValue(db)

      const again = await call(url, id, person.accessToken, request)
      t.equal(replayed(again), 'true')
      t.same([again.status, again.text], [first.status, first.text])
      for (const name of ['location', 'etag', 'cache-control', 'content-type']) t.equal(again.headers.get(name), first.headers.get(name), name)
      t.not(again.headers.get('x-request-id'), first.headers.get('x-request-id'))
      t.equal(await everyValue(db), rows, 'nothing has changed')

      if (operationOf(id).body === undefined) return
      const body = { ...(request.body as object), ...OTHER[id] }
      const other = await call(url, id, person.accessToken, { ...request, body })
      t.match(other, { status: 422, body: { code: 'IDEMPOTENCY_MISMATCH' } })
      t.equal(await everyValue(db), rows, 'nothing has changed')
    })
  }

  t.test('a path that differs is another request', async (t) => {
    const headers = keyed(randomUUID())
    const { listId } = await createIds(as(ada))
    const other = await createIds(as(ada))
    await as(ada)('createListTask', { params: { listId }, body: { title: 'Path' }, headers, expect: 201 })
    const { body } = await as(ada)('createListTask', { params: { listId: other.listId }, body: { title: 'Path' }, headers, expect: 422 })
    t.equal(body.code, 'IDEMPOTENCY_MISMATCH')
  })

  t.test('the order of fields, and a default that is left out, make no difference', async (t) => {
    const headers = keyed(randomUUID())
    const first = await call(url, 'createTask', ada.accessToken, { raw: '{"title":"Order","categories":["a","b"]}', headers: json(headers) })
    const again = await call(url, 'createTask', ada.accessToken, {
      raw: '{ "priority": "medium", "categories": ["a", "b"], "title": " Order " }',
      headers: json(headers),
    })
    t.same([first.status, again.status, again.text, replayed(again)], [201, 201, first.text, 'true'])
    const other = await call(url, 'createTask', ada.accessToken, { raw: '{"title":"Order","categories":["b","a"]}', headers: json(headers) })
    t.equal(other.status, 422)
  })

  t.test('the same key of somebody else, and of another operation, is another key', async (t) => {
    const headers = keyed(randomUUID())
    const grace = await register()
    await as(ada)('createTask', { body: { title: 'Mine' }, headers, expect: 201 })
    t.equal(replayed(await as(grace)('createTask', { body: { title: 'Hers' }, headers, expect: 201 })), null)
    t.equal(replayed(await as(ada)('createList', { body: { title: 'Mine' }, headers, expect: 201 })), null)
    t.same(await titlesOf(grace), ['Hers'])
  })

  t.test('all sessions and API tokens of a user share their keys, after a refresh too', async (t) => {
    const headers = keyed(randomUUID())
    const first = await as(ada)('createTask', { body: { title: 'Shared' }, headers, expect: 201 })
    const session = (await as()('refresh', { body: { refreshToken: ada.refreshToken }, expect: 200 })).body
    const login = (await as()('login', { body: { username: ada.username, password: PASSWORD }, expect: 200 })).body
    const newToken = { name: 'Sync', scopes: ['tasks:write' as const], currentPassword: PASSWORD }
    const { token } = (await as(ada)('createApiToken', { body: newToken, expect: 201 })).body
    for (const accessToken of [session.accessToken, login.accessToken, token]) {
      const again = await as({ accessToken })('createTask', { body: { title: 'Shared' }, headers, expect: 201 })
      t.same([again.text, replayed(again)], [first.text, 'true'])
    }
  })

  t.test('what a token may not do it may not have replayed', async (t) => {
    const headers = keyed(randomUUID())
    await as(ada)('createTask', { body: { title: 'Scoped' }, headers, expect: 201 })
    const newToken = { name: 'Sync', scopes: ['tasks:read' as const], currentPassword: PASSWORD }
    const { token } = (await as(ada)('createApiToken', { body: newToken, expect: 201 })).body
    const { body } = await as({ accessToken: token })('createTask', { body: { title: 'Scoped' }, headers, expect: 403 })
    t.equal(body.code, 'INSUFFICIENT_SCOPE')
  })

  t.test('a refusal by the handler is replayed, under an id of its own', async (t) => {
    const headers = keyed(randomUUID())
    const listId = randomUUID()
    const body = { title: 'Nowhere', listId }
    const first = await as(ada)('createTask', { body, headers, expect: 404 })
    t.equal(replayed(first), null)
    const again = await as(ada)('createTask', { body, headers, expect: 404 })
    t.equal(replayed(again), 'true')
    t.same({ ...again.body, requestId: '' }, { ...first.body, requestId: '' })
    t.equal(again.body.requestId, again.headers.get('x-request-id'))
    t.not(again.body.requestId, first.body.requestId)
    t.equal((await as(ada)('createTask', { body: { title: 'Nowhere' }, headers, expect: 422 })).body.code, 'IDEMPOTENCY_MISMATCH')
  })

  t.test('a refusal that names fields is replayed with them', async (t) => {
    const headers = keyed(randomUUID())
    const body = { name: 'Sync', scopes: ['tasks:read' as const], currentPassword: 'wrong' }
    const first = await as(ada)('createApiToken', { body, headers, expect: 422 })
    const again = await as(ada)('createApiToken', { body, headers, expect: 422 })
    t.equal(replayed(again), 'true')
    t.match(first.body, { errors: [{ in: 'body', path: '/currentPassword' }] })
    t.same(again.body.errors, first.body.errors)
  })

  t.test('what breaks the schema is not kept: the key is free', async (t) => {
    const headers = keyed(randomUUID())
    t.equal((await call(url, 'createTask', ada.accessToken, { body: { title: '' }, headers })).status, 422)
    t.equal(replayed(await as(ada)('createTask', { body: { title: 'Valid' }, headers, expect: 201 })), null)
  })

  t.test('403 is not kept', async (t) => {
    const headers = keyed(randomUUID())
    const body = { name: 'Root', scopes: ['admin' as const], currentPassword: PASSWORD }
    const denials = async () => (await db.selectFrom('audit_events').select('id').where('action', '=', 'access.denied').execute()).length
    const before = await denials()
    for (let time = 1; time <= 2; time += 1) {
      t.equal(replayed(await as(ada)('createApiToken', { body, headers, expect: 403 })), null)
      t.equal(await denials(), before + time, 'and it is noted down each time')
    }
    t.equal(await db.selectFrom('idempotency_records').select('key').where('key', '=', headers['Idempotency-Key']).executeTakeFirst(), undefined)
  })

  t.test('a key is 1 to 255 visible characters, given once', async (t) => {
    const title = 'Key'
    for (const key of ['!', 'a'.repeat(255), '"8e03978e-40d5-43dd-bc93-6894a57f9324"', 'a,b']) {
      await as(ada)('createTask', { body: { title }, headers: keyed(key), expect: 201 })
    }
    for (const key of ['', 'a'.repeat(256), 'a b', 'ü', 'a\tb']) {
      const { body } = await as(ada)('createTask', { body: { title }, headers: keyed(key), expect: 400 })
      t.match(body, { code: 'MALFORMED_REQUEST', errors: [{ in: 'header', path: '/idempotency-key' }] }, JSON.stringify(key))
    }
    const answer = await exchange(
      url,
      `POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer ${ada.accessToken}\r\nContent-Type: application/json\r\n` +
        'Content-Length: 15\r\nIdempotency-Key: a\r\nIdempotency-Key: a\r\n\r\n{"title":"Key"}',
    )
    t.equal(answer.status, 400)
    t.match(JSON.parse(answer.body), { detail: 'The header idempotency-key is given twice.' })
  })

  t.test('without a key nothing is kept', async (t) => {
    const before = await sql`select count(*) from idempotency_records`.execute(db)
    await as(ada)('createTask', { body: { title: 'Plain' }, expect: 201 })
    t.same((await sql`select count(*) from idempotency_records`.execute(db)).rows, before.rows)
  })

  t.test('after 24 hours a key is free', async (t) => {
    const headers = keyed(randomUUID())
    const age = (interval: string) =>
      sql`update idempotency_records set created_at = now() - ${interval}::interval where key = ${headers['Idempotency-Key']}`.execute(db)
    await as(ada)('createTask', { body: { title: 'Old' }, headers, expect: 201 })
    await age('23 hours 59 minutes')
    t.equal(replayed(await as(ada)('createTask', { body: { title: 'Old' }, headers, expect: 201 })), 'true')
    await age('24 hours 1 second')
    t.equal(replayed(await as(ada)('createTask', { body: { title: 'New' }, headers, expect: 201 })), null)
    t.equal(replayed(await as(ada)('createTask', { body: { title: 'New' }, headers, expect: 201 })), 'true')
  })

  t.test('none of this was a defect', async (t) => {
    t.same(
      logged.filter(({ level, requestId }) => Number(level) >= 40 && requestId !== undefined),
      [],
    )
  })
})

const json = (headers: Record<string, string>) => ({ ...headers, 'Content-Type': 'application/json' })
