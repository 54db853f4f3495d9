import t from 'tap'
import { EMBEDDED, PASSWORD, type Person, startApp } from '../support/app.ts'
import { sessionIdOf } from '../support/instances.ts'

type Tokens = Readonly<{ accessToken: string }>

t.test('listSessions', async (t) => {
  const { as, context, register } = await startApp(t)
  const { db } = context
  const logIn = async ({ username }: Person, headers: Record<string, string> = {}) =>
    (await as()('login', { body: { username, password: PASSWORD }, headers, expect: 200 })).body
  const list = async (session: Tokens, query: { limit?: number; cursor?: string } = {}) =>
    (await as(session)('listSessions', { query, expect: 200 })).body
  const idsOf = async (session: Tokens) => (await list(session)).items.map(({ id }) => id)
  const set = (session: Tokens, changes: Record<string, string>) =>
    db.updateTable('sessions').set(changes).where('id', '=', sessionIdOf(session)).execute()
  const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString()

  t.test('200: where and by what somebody is logged in, in the order of the logins', async (t) => {
    const ada = await register()
    const phone = await logIn(ada, { 'User-Agent': 'Phone/1.0' })
    const scope = 'account:read tasks:read'
    const { body: narrow } = await as()('createToken', {
      body: { grant_type: 'password', username: ada.username, password: PASSWORD, scope },
      headers: { 'User-Agent': 'Narrow/2.0' },
      expect: 200,
    })
    const { body, headers } = await as(phone)('listSessions', { expect: 200 })
    t.equal(headers.get('cache-control'), 'private, no-cache')
    t.equal(headers.get('link'), null)
    t.equal(body.nextCursor, null)
    const all = ['account:read', 'account:write', 'tasks:read', 'tasks:write', 'webhooks:write']
    t.match(body.items, [
      { id: sessionIdOf(ada), current: false, scopes: all, address: '127.0.0.1' },
      { id: sessionIdOf(phone), current: true, scopes: all, userAgent: 'Phone/1.0', address: '127.0.0.1' },
      { id: sessionIdOf({ accessToken: narrow.access_token }), current: false, scopes: scope.split(' '), userAgent: 'Narrow/2.0' },
    ])
    for (const session of body.items) {
      const days = (Date.parse(session.expiresAt) - Date.parse(session.createdAt)) / 86_400_000
      t.equal(Math.round(days), 90)
      t.ok(Date.parse(session.lastUsedAt) >= Date.parse(session.createdAt) - 1000)
    }
    t.match((await list({ accessToken: narrow.access_token })).items, [{ current: false }, { current: false }, { current: true }])
  })

  t.test('200: nobody sees the sessions of others', async (t) => {
    const [ada, eve] = [await register(), await register()]
    t.same(await idsOf(ada), [sessionIdOf(ada)])
    t.same(await idsOf(eve), [sessionIdOf(eve)])
  })

  t.test('200: a user agent is cut where it is too long', async (t) => {
    const ada = await register()
    await logIn(ada, { 'User-Agent': 'x'.repeat(300) })
    const { items } = await list(ada)
    t.equal(items[1]?.userAgent, 'x'.repeat(255))
  })

  t.test('200: those that were revoked, have expired or were idle for too long are absent', async (t) => {
    const ada = await register()
    const [out, revoked, expired, idle] = [await logIn(ada), await logIn(ada), await logIn(ada), await logIn(ada)]
    t.equal((await idsOf(ada)).length, 5)
    await as(out)('logout', { expect: 204 })
    await as(ada)('revokeSession', { params: { sessionId: sessionIdOf(revoked) }, expect: 204 })
    await set(expired, { expires_at: ago(1) })
    await set(idle, { idle_expires_at: ago(1) })
    t.same(await idsOf(ada), [sessionIdOf(ada)])
  })

  t.test('lastUsedAt moves with use, that of this session too, and by a refresh', async (t) => {
    const ada = await register()
    const [used, unused, refreshed] = [await logIn(ada), await logIn(ada), await logIn(ada)]
    const hourAgo = ago(3600)
    // What was noted before is written down first, or it would come after.
    await list(ada)
    for (const session of [ada, used, unused, refreshed]) await set(session, { last_used_at: hourAgo })
    await as(used)('getMe', { expect: 200 })
    await as()('refresh', { body: { refreshToken: refreshed.refreshToken }, expect: 200 })
    const uses = new Map((await list(ada)).items.map(({ id, lastUsedAt }) => [id, lastUsedAt]))
    for (const session of [ada, used, refreshed]) t.ok((uses.get(sessionIdOf(session)) ?? '') > ago(1800))
    t.equal(uses.get(sessionIdOf(unused)), hourAgo)
  })

  t.test('lastUsedAt never moves back', async (t) => {
    const ada = await register()
    const later = new Date(Date.now() + 60_000).toISOString()
    await set(ada, { last_used_at: later })
    t.equal((await list(ada)).items[0]?.lastUsedAt, later)
  })

  t.test(
    '200 at once while a session of somebody else is locked, as by a deletion that takes seconds',
    { skip: EMBEDDED && 'one connection' },
    async (t) => {
      const [ada, eve] = [await register(), await register()]
      await list(eve)
      await db.transaction().execute(async (trx) => {
        await trx.selectFrom('sessions').select('id').where('id', '=', sessionIdOf(eve)).forUpdate().execute()
        await as(eve)('getMe', { expect: 200 })
        t.same(await idsOf(ada), [sessionIdOf(ada)])
      })
    },
  )

  t.test('pages: each session once, in order; a Link leads to the next', async (t) => {
    const ada = await register()
    for (let count = 0; count < 6; count++) await logIn(ada)
    const all = await idsOf(ada)
    t.equal(all.length, 7)
    t.same(all, all.toSorted())
    for (const limit of [1, 3, 7, 100]) {
      const seen: string[] = []
      let cursor: string | null | undefined
      while (cursor !== null) {
        const page = await list(ada, { limit, ...(cursor !== undefined && { cursor }) })
        seen.push(...page.items.map(({ id }) => id))
        cursor = page.nextCursor
      }
      t.same(seen, all, `limit ${limit}`)
    }
    const { body, headers } = await as(ada)('listSessions', { query: { limit: 2 }, expect: 200 })
    t.equal(headers.get('link'), `</api/v1/sessions?limit=2&cursor=${body.nextCursor}>; rel="next"`)
  })

  t.test("422 with somebody else's cursor, or that of another listing", async (t) => {
    const [ada, eve] = [await register(), await register()]
    for (const person of [ada, eve]) await logIn(person)
    const { nextCursor } = await list(eve, { limit: 1 })
    for (const name of ['one', 'two']) {
      await as(ada)('createApiToken', { body: { name, scopes: ['tasks:read'], currentPassword: PASSWORD }, expect: 201 })
    }
    const { body: tokens } = await as(ada)('listApiTokens', { query: { limit: 1 }, expect: 200 })
    for (const cursor of [nextCursor ?? '', tokens.nextCursor ?? '', 'x']) {
      t.match(await as(ada)('listSessions', { query: { cursor } }), { status: 422, body: { errors: [{ in: 'query', path: '/cursor' }] } })
    }
  })

  t.test('401 to nobody, 403 INSUFFICIENT_SCOPE without account:read', async (t) => {
    const ada = await register()
    t.equal((await as()('listSessions')).status, 401)
    const { body } = await as()('createToken', {
      body: { grant_type: 'password', username: ada.username, password: PASSWORD, scope: 'account:write' },
      expect: 200,
    })
    const { status, headers } = await as({ accessToken: body.access_token })('listSessions')
    t.equal(status, 403)
    t.equal(headers.get('www-authenticate'), 'Bearer realm="docket", error="insufficient_scope", scope="account:read"')
  })
})

t.test('the address of a session', async (t) => {
  const forwarded = { 'X-Forwarded-For': '198.51.100.1, 203.0.113.7' }
  const addressesOf = async ({ as, register }: Awaited<ReturnType<typeof startApp>>) => {
    const ada = await register()
    await as()('login', { body: { username: ada.username, password: PASSWORD }, headers: forwarded, expect: 200 })
    return (await as(ada)('listSessions', { expect: 200 })).body.items.map(({ address }) => address)
  }

  t.test('is that of the client behind a proxy of TRUSTED_PROXIES', async (t) => {
    t.same(await addressesOf(await startApp(t, { TRUSTED_PROXIES: '127.0.0.1' })), ['127.0.0.1', '203.0.113.7'])
  })

  t.test('is that of the peer when nobody is trusted', async (t) => {
    t.same(await addressesOf(await startApp(t)), ['127.0.0.1', '127.0.0.1'])
  })
})
