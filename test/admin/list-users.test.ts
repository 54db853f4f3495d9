import t from 'tap'
import { PASSWORD, startApp } from '../support/app.ts'

t.test('listUsers', async (t) => {
  const { as, context, register, registerAdmin } = await startApp(t)
  const root = await registerAdmin()
  const names = ['Ada.Lovelace', 'alan_turing', 'grace-hopper', 'edsger', 'barbara']
  const people = []
  for (const name of names) people.push(await register(name))
  const [ada, alan, grace, edsger] = people
  const everybody = [root, ...people].map(({ id }) => id)
  await context.db.updateTable('users').set({ disabled_at: new Date().toISOString() }).where('username', 'in', ['edsger', 'alan_turing']).execute()

  type Query = { q?: string; role?: 'user' | 'admin'; disabled?: boolean; limit?: number; cursor?: string }
  const list = async (query: Query) => (await as(root)('listUsers', { query, expect: 200 })).body
  const idsOf = async (query: Query) => (await list(query)).items.map(({ id }) => id)

  t.test('200: all users in the order of registration', async (t) => {
    const { body, headers } = await as(root)('listUsers', { expect: 200 })
    t.same(
      body.items.map(({ id }) => id),
      everybody,
    )
    t.equal(body.nextCursor, null)
    t.equal(headers.get('link'), null)
    t.equal(headers.get('cache-control'), 'private, no-cache')
    t.match(body.items[0], { id: root.id, role: 'admin', disabled: false, email: root.email })
    t.match(body.items[1], {
      id: ada?.id,
      username: 'Ada.Lovelace',
      email: 'Ada.Lovelace@example.com',
      role: 'user',
      disabled: false,
      timeZone: 'UTC',
    })
    t.match(body.items[2], { id: alan?.id, disabled: true })
    const { body: me } = await as(ada)('getMe', { expect: 200 })
    t.same(body.items[1], { ...me, disabled: false })
  })

  t.test('401 to nobody, 403 FORBIDDEN to a user', async (t) => {
    t.equal((await as()('listUsers')).status, 401)
    const { status, body, headers } = await as(ada)('listUsers')
    t.match({ status, body }, { status: 403, body: { code: 'FORBIDDEN' } })
    t.equal(headers.get('www-authenticate'), null)
  })

  t.test('403 INSUFFICIENT_SCOPE to an admin whose token was narrowed', async (t) => {
    const { body: narrowed } = await as()('createToken', {
      body: {
        grant_type: 'password',
        username: root.username,
        password: PASSWORD,
        scope: 'account:read account:write tasks:read tasks:write webhooks:write',
      },
      expect: 200,
    })
    const { status, body, headers } = await as({ accessToken: narrowed.access_token })('listUsers')
    t.match({ status, body }, { status: 403, body: { code: 'INSUFFICIENT_SCOPE' } })
    t.equal(headers.get('www-authenticate'), 'Bearer realm="docket", error="insufficient_scope", scope="admin"')
  })

  t.test('q: a part of the username or the address, in any case, taken literally', async (t) => {
    for (const [q, found] of [
      ['lovelace', [ada]],
      ['LOVELACE', [ada]],
      ['a.l', [ada]],
      ['_', [alan]],
      ['n_t', [alan]],
      ['%', []],
      ['a%a', []],
      ['.*', []],
      ['\\', []],
      ["'", []],
      ['-h', [grace]],
      ['Grace-Hopper@Example.COM', [grace]],
      ['hopper@', [grace]],
      [' ', []],
      ['edsger edsger', []],
      ['nobody at all', []],
      ['x'.repeat(254), []],
    ] as const) {
      t.same(
        await idsOf({ q }),
        found.map((person) => person?.id),
        q,
      )
    }
    t.same(await idsOf({ q: '@example.com' }), everybody)
  })

  t.test('role and disabled, alone and together', async (t) => {
    t.same(await idsOf({ role: 'admin' }), [root.id])
    t.same(await idsOf({ role: 'user' }), everybody.slice(1))
    t.same(await idsOf({ disabled: true }), [alan?.id, edsger?.id])
    t.same(
      await idsOf({ disabled: false }),
      everybody.filter((id) => id !== alan?.id && id !== edsger?.id),
    )
    t.same(await idsOf({ role: 'admin', disabled: true }), [])
    t.same(await idsOf({ role: 'user', disabled: true, q: 'turing' }), [alan?.id])
  })

  t.test('pages: everybody once, in order, with and without a filter', async (t) => {
    for (const [filter, all] of [
      [{}, everybody],
      [{ role: 'user' }, everybody.slice(1)],
    ] as const) {
      for (const limit of [1, 2, 4, all.length, 100]) {
        const seen: string[] = []
        let cursor: string | null | undefined
        let pages = 0
        while (cursor !== null) {
          const page = await list({ ...filter, limit, ...(cursor !== undefined && { cursor }) })
          seen.push(...page.items.map(({ id }) => id))
          cursor = page.nextCursor
          pages += 1
        }
        t.same(seen, all, `limit ${limit}`)
        t.equal(pages, Math.ceil(all.length / limit))
      }
    }
  })

  t.test('pages: a Link to the next one keeps the filters', async (t) => {
    const { body, headers } = await as(root)('listUsers', { query: { role: 'user', q: 'a', limit: 2 }, expect: 200 })
    t.equal(headers.get('link'), `</api/v1/admin/users?role=user&q=a&limit=2&cursor=${body.nextCursor}>; rel="next"`)
  })

  t.test('pages: whoever registers in between comes last', async (t) => {
    const { items, nextCursor } = await list({ limit: 3 })
    const late = await register()
    const rest = await list({ cursor: nextCursor ?? '' })
    t.same(
      [...items, ...rest.items].map(({ id }) => id),
      [...everybody, late.id],
    )
  })

  t.test('422: a query that breaks the schema', async (t) => {
    const { nextCursor } = await list({ limit: 1 })
    await as(root)('createList', { body: { title: 'A second one' }, expect: 201 })
    const { body: lists } = await as(root)('listLists', { query: { limit: 1 }, expect: 200 })
    for (const query of [
      { limit: 0 },
      { limit: 101 },
      { limit: '1e1' },
      { limit: '' },
      { q: '' },
      { q: 'x'.repeat(255) },
      { q: 'NUL \u0000' },
      { q: ['a', 'b'] },
      { role: 'root' },
      { role: '' },
      { disabled: 'yes' },
      { disabled: '1' },
      { disabled: 'TRUE' },
      { username: 'ada' },
      { cursor: '' },
      { cursor: 'x' },
      { cursor: `${nextCursor}A` },
      { cursor: nextCursor?.slice(1) },
      { cursor: nextCursor?.toLowerCase() },
      { cursor: lists.nextCursor ?? '' },
    ]) {
      const { status, body } = await as(root)('listUsers', { query } as never)
      t.match({ status, body }, { status: 422, body: { errors: [{ in: 'query', path: `/${Object.keys(query)[0]}` }] } }, JSON.stringify(query))
    }
  })
})
