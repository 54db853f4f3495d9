import t from 'tap'
import { PASSWORD, type Person, startApp } from '../support/app.ts'
import { sessionIdOf } from '../support/instances.ts'

type Query = { userId?: string; action?: string; from?: string; to?: string; limit?: number; cursor?: string }

t.test('listAuditEvents', async (t) => {
  const { as, context, register, registerAdmin } = await startApp(t)
  const { db } = context
  const root = await registerAdmin()
  const list = async (query: Query) => (await as(root)('listAuditEvents', { query, expect: 200 })).body
  const actionsOf = async (query: Query) => (await list(query)).items.map(({ action }) => action)
  const stored = async () => (await db.selectFrom('audit_events').select('id').orderBy('id', 'desc').execute()).map(({ id }) => id)
  const walk = async (query: Query) => {
    const seen: string[] = []
    let cursor: string | null | undefined
    while (cursor !== null) {
      const page = await list({ ...query, ...(cursor !== undefined && { cursor }) })
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.nextCursor
    }
    return seen
  }

  t.test('200: what is kept, the newest first', async (t) => {
    const ada = await register()
    await as(ada)('updateMe', {
      body: { timeZone: 'Europe/Berlin' },
      headers: { 'User-Agent': 'Phone/1.0', 'X-Request-Id': 'request-12' },
      expect: 200,
    })
    const { body, headers } = await as(root)('listAuditEvents', { expect: 200 })
    t.equal(headers.get('cache-control'), 'private, no-cache')
    const ids = body.items.map(({ id }) => id)
    t.same(ids, ids.toSorted().toReversed())
    t.same(ids, await stored())
    const { id, occurredAt, ...rest } = body.items[0] ?? { id: '', occurredAt: '' }
    t.ok(id !== '' && occurredAt > new Date(Date.now() - 600_000).toISOString())
    t.same(rest, {
      action: 'user.updated',
      operation: 'updateMe',
      userId: ada.id,
      actorId: ada.id,
      sessionId: sessionIdOf(ada),
      apiTokenId: null,
      objectId: null,
      changedFields: ['timeZone'],
      address: '127.0.0.1',
      userAgent: 'Phone/1.0',
      requestId: 'request-12',
    })
  })

  t.test('userId: what concerns somebody, and what they have done to others', async (t) => {
    const [ada, grace] = [await register(), await registerAdmin()]
    await as(grace)('getUser', { params: { userId: ada.id }, expect: 200 })
    await as(grace)('updateUser', { params: { userId: ada.id }, body: { disabled: true }, expect: 200 })
    t.same(await actionsOf({ userId: ada.id }), ['user.disabled', 'user.read', 'login.succeeded', 'user.registered'])
    t.same(await actionsOf({ userId: grace.id }), ['user.disabled', 'user.read', 'login.succeeded', 'login.succeeded', 'user.registered'])
    t.same(await actionsOf({ userId: sessionIdOf(ada) }), [])
    await as(root)('deleteUser', { params: { userId: ada.id }, expect: 204 })
    t.same((await actionsOf({ userId: ada.id })).slice(0, 2), ['user.deleted', 'user.disabled'], 'events outlive whom they are about')
  })

  t.test('action: alone and with the user', async (t) => {
    const [ada, eve] = [await register(), await register()]
    for (const person of [ada, eve]) await as()('login', { body: { username: person.username, password: 'wrong' }, expect: 401 })
    const failed = await list({ action: 'login.failed' })
    t.same(
      failed.items.map(({ userId }) => userId),
      [eve.id, ada.id],
    )
    t.same(await actionsOf({ action: 'login.failed', userId: ada.id }), ['login.failed'])
    t.same(await actionsOf({ action: 'no_such.action' }), [])
  })

  t.test('from, which counts, and to, which does not; in any time zone', async (t) => {
    const ada: Person = await register()
    await as(ada)('logout', { expect: 204 })
    const all = (await list({ userId: ada.id })).items
    t.equal(all.length, 3)
    const [newest, , oldest] = all
    const shifted = (instant = '') => new Date(Date.parse(instant) + 2 * 3_600_000).toISOString().replace('Z', '+02:00')
    const idsOf = async (query: Query) => (await list({ userId: ada.id, ...query })).items.map(({ id }) => id)
    const having = (test: (occurredAt: string) => boolean) => all.filter(({ occurredAt }) => test(occurredAt)).map(({ id }) => id)
    for (const instant of new Set(all.map(({ occurredAt }) => occurredAt))) {
      t.same(
        await idsOf({ from: instant }),
        having((at) => at >= instant),
      )
      t.same(
        await idsOf({ to: instant }),
        having((at) => at < instant),
      )
      t.same(
        await idsOf({ from: shifted(instant) }),
        having((at) => at >= instant),
      )
      t.same(
        await idsOf({ to: instant.toLowerCase() }),
        having((at) => at < instant),
      )
    }
    t.same(
      await idsOf({ from: oldest?.occurredAt ?? '', to: newest?.occurredAt ?? '' }),
      having((at) => at >= (oldest?.occurredAt ?? '') && at < (newest?.occurredAt ?? '')),
    )
    t.same(await idsOf({ from: '2000-01-01T00:00:00Z', to: '2001-01-01T00:00:00Z' }), [])
    t.same(await idsOf({ from: '2001-01-01T00:00:00Z', to: '2000-01-01T00:00:00Z' }), [])
    t.equal((await idsOf({ from: '2000-01-01T00:00:00Z', to: '9999-12-31T23:59:59Z' })).length, 3)
  })

  t.test('pages: each event once, in order, with and without filters, also while new ones come in', async (t) => {
    const ada = await register()
    for (let use = 0; use < 6; use++) await as()('login', { body: { username: ada.username, password: PASSWORD }, expect: 200 })
    const all = await stored()
    const mine = (await list({ userId: ada.id, limit: 100 })).items.map(({ id }) => id)
    t.equal(mine.length, 8)
    for (const limit of [1, 3, 8, 100]) {
      t.same(await walk({ limit }), all, `limit ${limit}`)
      t.same(await walk({ limit, userId: ada.id }), mine, `limit ${limit}`)
    }
    const first = await list({ userId: ada.id, limit: 3 })
    await as(ada)('logout', { expect: 204 })
    const rest = await list({ userId: ada.id, cursor: first.nextCursor ?? '' })
    t.same(
      [...first.items, ...rest.items].map(({ id }) => id),
      mine,
    )
    const { body, headers } = await as(root)('listAuditEvents', { query: { action: 'login.succeeded', limit: 2 }, expect: 200 })
    t.equal(headers.get('link'), `</api/v1/admin/audit-events?action=login.succeeded&limit=2&cursor=${body.nextCursor}>; rel="next"`)
  })

  t.test('reading the log leaves no event', async (t) => {
    const before = await stored()
    await list({})
    await list({ userId: root.id })
    t.same(await stored(), before)
  })

  t.test('422: a query that breaks the schema', async (t) => {
    const { body: users } = await as(root)('listUsers', { query: { limit: 1 }, expect: 200 })
    for (const query of [
      { limit: 0 },
      { limit: 101 },
      { userId: 'ada' },
      { action: 'Login' },
      { action: '' },
      { from: '2026-01-01' },
      { from: 'yesterday' },
      { to: '2026-02-30T00:00:00Z' },
      { to: '' },
      { actor: root.id },
      { cursor: 'x' },
      { cursor: users.nextCursor ?? '' },
    ]) {
      const { status, body } = await as(root)('listAuditEvents', { query } as never)
      t.match({ status, body }, { status: 422, body: { errors: [{ in: 'query', path: `/${Object.keys(query)[0]}` }] } }, JSON.stringify(query))
    }
  })

  t.test('401 to nobody, 403 to a user and to an admin whose token was narrowed', async (t) => {
    const ada = await register()
    t.equal((await as()('listAuditEvents')).status, 401)
    t.match(await as(ada)('listAuditEvents'), { status: 403, body: { code: 'FORBIDDEN' } })
    const scope = 'account:read account:write tasks:read tasks:write webhooks:write'
    const grant = { grant_type: 'password', username: root.username, password: PASSWORD, scope } as const
    const { body } = await as()('createToken', { body: grant, expect: 200 })
    t.match(await as({ accessToken: body.access_token })('listAuditEvents'), { status: 403, body: { code: 'INSUFFICIENT_SCOPE' } })
  })
})
