import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import t from 'tap'
import { PASSWORD, type Person, startApp } from '../support/app.ts'
import { startInstances } from '../support/instances.ts'
import { everyValue } from '../support/rows.ts'

type Scope = 'tasks:read' | 'tasks:write' | 'account:read' | 'account:write' | 'admin'

const DAY = 86_400_000
const newToken = (scopes: Scope[] = ['tasks:read'], rest: { name?: string; expiresInDays?: number } = {}) => ({
  name: 'Calendar sync',
  scopes,
  currentPassword: PASSWORD,
  ...rest,
})

t.test('createApiToken, listApiTokens and revokeApiToken', async (t) => {
  const { as, context, logged, register, registerAdmin } = await startApp(t, { DATABASE_POOL_SIZE: '20' })
  const { db } = context
  const narrowed = async ({ username }: Person, scope: string) => {
    const body = { grant_type: 'password' as const, username, password: PASSWORD, scope }
    return { accessToken: (await as()('createToken', { body, expect: 200 })).body.access_token }
  }
  const list = async (person: Person, query: { limit?: number; cursor?: string } = {}) =>
    (await as(person)('listApiTokens', { query, expect: 200 })).body

  t.test('201: the token, this once; the list has all of it but that', async (t) => {
    const ada = await register()
    const { body, headers } = await as(ada)('createApiToken', {
      body: newToken(['tasks:write', 'tasks:read'], { name: '  Calendar sync ' }),
      expect: 201,
    })
    t.equal(headers.get('cache-control'), 'no-store')
    t.equal(headers.get('location'), `/api/v1/api-tokens/${body.id}`)
    const { token, ...rest } = body
    t.match(token, /^dkt_[0-9A-Za-z]{92}$/)
    t.match(rest, { name: 'Calendar sync', scopes: ['tasks:write', 'tasks:read'], lastUsedAt: null })
    t.equal(Date.parse(rest.expiresAt) - Date.parse(rest.createdAt), 90 * DAY)
    const { items, nextCursor } = await list(ada)
    t.same(items, [rest])
    t.equal(nextCursor, null)
    t.equal((await as({ accessToken: token })('listTasks')).status, 200)
  })

  t.test('201: for 1 to 366 days; 422 for less, more or parts of one', async (t) => {
    const ada = await register()
    for (const expiresInDays of [1, 366]) {
      const { body } = await as(ada)('createApiToken', { body: newToken(['tasks:read'], { expiresInDays }), expect: 201 })
      t.equal(Date.parse(body.expiresAt) - Date.parse(body.createdAt), expiresInDays * DAY)
    }
    for (const expiresInDays of [0, 367, -1, 1.5, '30', null]) {
      const { status, body } = await as(ada)('createApiToken', { body: { ...newToken(), expiresInDays } } as never)
      t.match({ status, body }, { status: 422, body: { errors: [{ in: 'body', path: '/expiresInDays' }] } }, JSON.stringify(expiresInDays))
    }
  })

  t.test('422: a body that breaks the schema', async (t) => {
    const ada = await register()
    for (const [changes, path] of [
      [{ name: '' }, '/name'],
      [{ name: ' ' }, '/name'],
      [{ name: 'x'.repeat(101) }, '/name'],
      [{ name: undefined }, '/name'],
      [{ scopes: [] }, '/scopes'],
      [{ scopes: ['tasks:read', 'tasks:read'] }, '/scopes'],
      [{ scopes: ['everything'] }, '/scopes/0'],
      [{ scopes: 'tasks:read' }, '/scopes'],
      [{ currentPassword: undefined }, '/currentPassword'],
      [{ currentPassword: '' }, '/currentPassword'],
      [{ secret: 'mine' }, '/secret'],
    ] as const) {
      const { status, body } = await as(ada)('createApiToken', { body: { ...newToken(), ...changes } } as never)
      t.match({ status, body }, { status: 422, body: { errors: [{ in: 'body', path }] } }, JSON.stringify(changes))
    }
    t.same((await list(ada)).items, [])
  })

  t.test('422 naming /currentPassword with a wrong one, and nothing is made', async (t) => {
    const ada = await register()
    const { status, body } = await as(ada)('createApiToken', { body: { ...newToken(), currentPassword: `${PASSWORD}!` } })
    t.match({ status, body }, { status: 422, body: { code: 'VALIDATION_FAILED', errors: [{ in: 'body', path: '/currentPassword' }] } })
    t.same((await list(ada)).items, [])
  })

  t.test('403 FORBIDDEN for scopes that the session lacks, before the password is looked at', async (t) => {
    const [ada, root] = [await register(), await registerAdmin()]
    const narrow = await narrowed(ada, 'account:write tasks:read')
    for (const [session, scopes] of [
      [narrow, ['tasks:write']],
      [narrow, ['tasks:read', 'account:read']],
      [ada, ['admin']],
      [ada, ['tasks:read', 'admin']],
      [await narrowed(root, 'account:write tasks:read'), ['admin']],
    ] as [{ accessToken: string }, Scope[]][]) {
      const { status, body } = await as(session)('createApiToken', { body: { ...newToken(scopes), currentPassword: 'wrong' } })
      t.match({ status, body }, { status: 403, body: { code: 'FORBIDDEN' } }, scopes.join())
    }
    for (const person of [ada, root]) t.same((await list(person)).items, [])
    t.equal((await as(narrow)('createApiToken', { body: newToken(['tasks:read']) })).status, 201)
    t.equal((await as(root)('createApiToken', { body: newToken(['admin']) })).status, 201)
  })

  t.test('lists those of the user alone, in the order of creation, page by page, expired ones included', async (t) => {
    const [ada, eve] = [await register(), await register()]
    const ids: string[] = []
    for (let count = 0; count < 5; count++) {
      const { body } = await as(ada)('createApiToken', { body: newToken(['tasks:read'], { name: `Number ${count}` }), expect: 201 })
      ids.push(body.id)
    }
    await db.updateTable('api_tokens').set({ expires_at: '2020-01-01T00:00:00.000Z' }).where('id', '=', String(ids[2])).execute()
    t.same((await list(eve)).items, [])
    for (const limit of [1, 2, 5]) {
      const seen: string[] = []
      let cursor: string | null | undefined
      while (cursor !== null) {
        const page = await list(ada, { limit, ...(cursor !== undefined && { cursor }) })
        seen.push(...page.items.map(({ id }) => id))
        cursor = page.nextCursor
      }
      t.same(seen, ids, `limit ${limit}`)
    }
    const { nextCursor } = await list(ada, { limit: 1 })
    t.equal((await as(eve)('listApiTokens', { query: { cursor: nextCursor ?? '' } })).status, 422, "somebody else's cursor")
  })

  t.test('lastUsedAt: null until it is used, then when that was', async (t) => {
    const ada = await register()
    const { body } = await as(ada)('createApiToken', { body: newToken(), expect: 201 })
    t.match((await list(ada)).items, [{ lastUsedAt: null }])
    await as({ accessToken: body.token })('listTasks', { expect: 200 })
    const first = (await list(ada)).items[0]?.lastUsedAt ?? ''
    t.ok(first >= body.createdAt)
    const earlier = '2026-01-01T00:00:00.000Z'
    await db.updateTable('api_tokens').set({ last_used_at: earlier }).where('id', '=', body.id).execute()
    t.match((await list(ada)).items, [{ lastUsedAt: earlier }], 'looking at the list is no use of it')
    await as({ accessToken: body.token })('listTasks', { expect: 200 })
    t.ok(((await list(ada)).items[0]?.lastUsedAt ?? '') >= first)
  })

  t.test("revokeApiToken: 404 for an unknown, a revoked and a stranger's one, which goes on", async (t) => {
    const [ada, eve] = [await register(), await register()]
    const { body: revoked } = await as(ada)('createApiToken', { body: newToken(), expect: 201 })
    const { body: strange } = await as(eve)('createApiToken', { body: newToken(), expect: 201 })
    const { headers } = await as(ada)('revokeApiToken', { params: { tokenId: revoked.id }, expect: 204 })
    t.equal(headers.get('cache-control'), 'no-store')
    for (const tokenId of [randomUUID(), revoked.id, strange.id]) {
      t.match(await as(ada)('revokeApiToken', { params: { tokenId } }), { status: 404, body: { code: 'NOT_FOUND' } })
    }
    t.equal((await as({ accessToken: strange.token })('listTasks')).status, 200)
    t.equal((await list(eve)).items.length, 1)
  })

  t.test('401 to nobody, 403 INSUFFICIENT_SCOPE to a session that may not', async (t) => {
    const ada = await register()
    for (const [scope, lacking] of [
      ['account:read', 'account:write'],
      ['account:write', 'account:read'],
    ] as const) {
      const session = await narrowed(ada, scope)
      const answers =
        scope === 'account:write'
          ? [await as(session)('listApiTokens')]
          : [
              await as(session)('createApiToken', { body: newToken(['account:read']) }),
              await as(session)('revokeApiToken', { params: { tokenId: randomUUID() } }),
            ]
      for (const { status, headers } of answers) {
        t.equal(status, 403)
        t.equal(headers.get('www-authenticate'), `Bearer realm="docket", error="insufficient_scope", scope="${lacking}"`)
      }
    }
    t.equal((await as()('listApiTokens')).status, 401)
  })

  t.test('neither token nor secret is in the database or in the log', async (t) => {
    const ada = await register()
    const { body } = await as(ada)('createApiToken', { body: newToken(['tasks:read', 'account:write']), expect: 201 })
    await as({ accessToken: body.token })('listTasks', { expect: 200 })
    await as({ accessToken: body.token })('listSessions', { expect: 403 })
    await as({ accessToken: `${body.token.slice(0, -1)}${body.token.endsWith('0') ? '1' : '0'}` })('listTasks', { expect: 401 })
    await list(ada)
    const values = await everyValue(db)
    t.ok(values.includes(body.id), 'the search finds what is there')
    const log = logged.map((line) => JSON.stringify(line)).join('\n')
    t.ok(log.includes('createApiToken'))
    for (const secret of [body.token, body.token.slice(47, 90), body.token.slice(4, 90), PASSWORD]) {
      t.notOk(values.includes(secret))
      t.notOk(log.includes(secret))
    }
    t.notOk(values.includes(Buffer.from(body.token.slice(47, 90)).toString('hex')))
  })

  t.test('409 with 100 tokens; one less, and there is room again', async (t) => {
    const ada = await register()
    await sql`
      insert into api_tokens (user_id, id, name, secret_hash, scopes, created_at, expires_at)
      select ${ada.id}::uuid, gen_random_uuid(), 'one of many', decode(repeat('00', 32), 'hex'), '{tasks:read}', now(), now() - interval '1 day'
      from generate_series(1, 100)`.execute(db)
    t.match(await as(ada)('createApiToken', { body: newToken() }), { status: 409, body: { code: 'CONFLICT' } })
    const { items } = await list(ada, { limit: 1 })
    await as(ada)('revokeApiToken', { params: { tokenId: items[0]?.id ?? '' }, expect: 204 })
    t.equal((await as(ada)('createApiToken', { body: newToken() })).status, 201)
    t.equal((await as(ada)('createApiToken', { body: newToken() })).status, 409)
    t.equal((await as(await register())('createApiToken', { body: newToken() })).status, 201, 'others have a hundred of their own')
  })
})

t.test('many create their last API tokens at once', async (t) => {
  const [a, b] = await startInstances(t)
  const ada = await a.register()
  await sql`
    insert into api_tokens (user_id, id, name, secret_hash, scopes, created_at, expires_at)
    select ${ada.id}::uuid, gen_random_uuid(), 'one of many', decode(repeat('00', 32), 'hex'), '{tasks:read}', now(), now() + interval '1 day'
    from generate_series(1, 90)`.execute(a.context.db)
  // On a busy machine, some wait too long for one another.
  const create = async (app: typeof a): Promise<number> => {
    const { status } = await app.as(ada)('createApiToken', { body: newToken() })
    return status === 503 ? create(app) : status
  }
  const statuses = await Promise.all(Array.from({ length: 30 }, (_, n) => create(n % 2 ? a : b)))
  t.equal(statuses.filter((status) => status === 201).length, 10)
  t.equal(statuses.filter((status) => status === 409).length, 20)
  const { count } = await a.context.db
    .selectFrom('api_tokens')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('user_id', '=', ada.id)
    .executeTakeFirstOrThrow()
  t.equal(Number(count), 100)
})

t.test('an API token that is created while its owner is deleted', async (t) => {
  const [a, b] = await startInstances(t)
  await a.registerAdmin()
  for (let round = 0; round < 15; round++) {
    const eve = await a.register()
    const [created, , deleted] = await Promise.all([
      a.as(eve)('createApiToken', { body: newToken() }),
      a.as(eve)('createApiToken', { body: newToken() }),
      b.as(eve)('deleteMe', { body: { currentPassword: PASSWORD } }),
    ])
    t.equal(deleted.status, 204)
    t.ok([201, 401, 422].includes(created.status), `${created.status}: ${created.text}`)
    if ('token' in created.body) t.equal((await b.as({ accessToken: created.body.token })('listTasks')).status, 401)
  }
})
