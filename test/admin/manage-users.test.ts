import { randomUUID } from 'node:crypto'
import t from 'tap'
import { PASSWORD, type Person } from '../support/app.ts'
import { sessionIdOf, startInstances } from '../support/instances.ts'

type Session = Readonly<{ accessToken: string }>

t.test('getUser, updateUser and deleteUser', async (t) => {
  const [a, b] = await startInstances(t)
  const { as, context, register, registerAdmin } = a
  const root = await registerAdmin()
  const logIn = async ({ username }: Person) => (await as()('login', { body: { username, password: PASSWORD }, expect: 200 })).body
  const update = async ({ id }: Person, body: { role?: 'user' | 'admin'; disabled?: boolean }) =>
    (await as(root)('updateUser', { params: { userId: id }, body, expect: 200 })).body
  const statuses = async (session: Session, id: 'getMe' | 'listUsers' = 'getMe') => [
    (await b.as(session)(id)).status,
    (await a.as(session)(id)).status,
  ]
  /** What has been done to somebody since they registered, except logging in. */
  const events = async ({ id }: Person) => {
    const rows = await context.db.selectFrom('audit_events').selectAll().where('user_id', '=', id).orderBy('id').execute()
    return rows.filter(({ action }) => !['user.registered', 'login.succeeded', 'login.failed'].includes(action))
  }

  t.test('getUser: 200 with any user, as the list has them; that an admin looked is kept', async (t) => {
    const ada = await register()
    const { body, headers } = await as(root)('getUser', { params: { userId: ada.id }, expect: 200 })
    t.equal(headers.get('cache-control'), 'private, no-cache')
    const { body: listed } = await as(root)('listUsers', { query: { q: ada.username }, expect: 200 })
    t.same(listed.items, [body])
    t.same(body, { ...(await as(ada)('getMe', { expect: 200 })).body, disabled: false })
    t.match(await events(ada), [{ action: 'user.read', actor_id: root.id, session_id: sessionIdOf(root), operation: 'getUser', changed_fields: [] }])
    t.match((await as(root)('getUser', { params: { userId: root.id }, expect: 200 })).body, { id: root.id, role: 'admin' })
  })

  t.test('404 for nobody, 422 for what is no id, 403 to a user and 401 to nobody', async (t) => {
    const ada = await register()
    const body = { disabled: true }
    for (const [person, userId, status, code] of [
      [root, randomUUID(), 404, 'NOT_FOUND'],
      [root, 'ada', 422, 'VALIDATION_FAILED'],
      [ada, root.id, 403, 'FORBIDDEN'],
      [ada, ada.id, 403, 'FORBIDDEN'],
      [ada, randomUUID(), 403, 'FORBIDDEN'],
      [undefined, ada.id, 401, 'UNAUTHENTICATED'],
    ] as const) {
      for (const answer of [
        await as(person)('getUser', { params: { userId } }),
        await as(person)('updateUser', { params: { userId }, body }),
        await as(person)('updateUser', { params: { userId }, body: { role: 'admin' } }),
        await as(person)('deleteUser', { params: { userId } }),
      ]) {
        t.match(answer, { status, body: { code } })
      }
    }
    t.same(await statuses(ada), [200, 200])
    t.match((await as(ada)('getMe', { expect: 200 })).body, { role: 'user' })
  })

  t.test('updateUser: promoted, one needs a new login for what admins do', async (t) => {
    const ada = await register()
    const before = (await as(ada)('getMe', { expect: 200 })).body
    const body = await update(ada, { role: 'admin' })
    t.same(body, { ...before, role: 'admin', disabled: false, updatedAt: body.updatedAt })
    t.ok(body.updatedAt > before.updatedAt)
    t.match((await b.as(ada)('getMe', { expect: 200 })).body, { role: 'admin' })
    const { status, headers } = await b.as(ada)('listUsers')
    t.equal(status, 403)
    t.equal(headers.get('www-authenticate'), 'Bearer realm="docket", error="insufficient_scope", scope="admin"')
    t.same(await statuses(await logIn(ada), 'listUsers'), [200, 200])
    t.match(await events(ada), [
      { action: 'user.promoted', actor_id: root.id, session_id: sessionIdOf(root), operation: 'updateUser', changed_fields: ['role'] },
    ])
  })

  t.test('updateUser: demoted, one may no longer do what admins do, on both instances at once, and goes on as a user', async (t) => {
    const grace = await registerAdmin()
    t.same(await statuses(grace, 'listUsers'), [200, 200])
    t.match(await update(grace, { role: 'user' }), { role: 'user', disabled: false })
    t.same(await statuses(grace, 'listUsers'), [403, 403])
    t.same(await statuses(grace), [200, 200])
    t.match(await events(grace), [{ action: 'user.demoted', actor_id: root.id, changed_fields: ['role'] }])
  })

  t.test('updateUser: disabled, all sessions end on both instances; enabled, one logs in anew', async (t) => {
    const ada = await register()
    const other = await logIn(ada)
    for (const session of [ada, other]) t.same(await statuses(session), [200, 200])
    t.match(await update(ada, { disabled: true }), { disabled: true, role: 'user' })
    for (const session of [ada, other]) {
      t.same(await statuses(session), [401, 401])
      t.equal((await b.as()('refresh', { body: { refreshToken: session.refreshToken } })).status, 401)
    }
    t.match(await b.as()('login', { body: { username: ada.username, password: PASSWORD } }), { status: 401, body: { code: 'INVALID_CREDENTIALS' } })
    t.match(await update(ada, { disabled: false }), { disabled: false })
    t.same(await statuses(ada), [401, 401], 'a session that has ended stays so')
    t.same(await statuses(await logIn(ada)), [200, 200])
    t.match(await events(ada), [
      { action: 'user.disabled', actor_id: root.id, operation: 'updateUser', changed_fields: ['disabled'] },
      { action: 'user.enabled', actor_id: root.id, operation: 'updateUser', changed_fields: ['disabled'] },
    ])
  })

  t.test('updateUser: role and disabled at once', async (t) => {
    const grace = await registerAdmin()
    t.match(await update(grace, { role: 'user', disabled: true }), { role: 'user', disabled: true })
    t.same(await statuses(grace), [401, 401])
    t.match(await update(grace, { role: 'admin', disabled: false }), { role: 'admin', disabled: false })
    t.same(await statuses(await logIn(grace), 'listUsers'), [200, 200])
    const actions = (await events(grace)).map(({ action }) => action)
    t.same(actions, ['user.demoted', 'user.disabled', 'user.promoted', 'user.enabled'])
  })

  t.test('updateUser: 200 without an event where nothing changes', async (t) => {
    const ada = await register()
    const before = (await as(ada)('getMe', { expect: 200 })).body
    for (const body of [{ role: 'user' }, { disabled: false }, { role: 'user', disabled: false }] as const) {
      t.same(await update(ada, body), { ...before, disabled: false })
    }
    t.same(await statuses(ada), [200, 200])
    const disabled = await update(ada, { disabled: true })
    t.same(await update(ada, { disabled: true }), disabled)
    t.equal((await events(ada)).length, 1)
  })

  t.test('updateUser: 422 with a body that breaks the schema', async (t) => {
    const ada = await register()
    for (const [body, path] of [
      [{}, ''],
      [{ role: 'root' }, '/role'],
      [{ role: null }, '/role'],
      [{ disabled: 'yes' }, '/disabled'],
      [{ disabled: null }, '/disabled'],
      [{ username: 'eve' }, '/username'],
      [{ role: 'admin', password: 'x' }, '/password'],
    ] as const) {
      const answer = await as(root)('updateUser', { params: { userId: ada.id }, body } as never)
      t.match({ status: answer.status, body: answer.body }, { status: 422, body: { errors: [{ in: 'body', path }] } }, JSON.stringify(body))
    }
    t.same(await events(ada), [])
  })

  t.test('deleteUser: 204, everything is gone on both instances, and it is kept in the audit log', async (t) => {
    const ada = await register()
    await as(ada)('createTask', { body: { title: 'Milk', categories: ['dairy'] }, expect: 201 })
    t.same(await statuses(ada), [200, 200])
    const { headers, text } = await as(root)('deleteUser', { params: { userId: ada.id }, expect: 204 })
    t.equal(text, '')
    t.equal(headers.get('cache-control'), 'no-store')
    t.same(await statuses(ada), [401, 401])
    for (const id of ['getUser', 'deleteUser'] as const) t.equal((await b.as(root)(id, { params: { userId: ada.id } })).status, 404)
    t.same((await as(root)('listUsers', { query: { q: ada.username }, expect: 200 })).body.items, [])
    for (const table of ['lists', 'tasks', 'categories'] as const) {
      t.same(await context.db.selectFrom(table).select('owner_id').where('owner_id', '=', ada.id).execute(), [], table)
    }
    t.same(await context.db.selectFrom('sessions').select('id').where('user_id', '=', ada.id).execute(), [])
    t.match(await events(ada), [{ action: 'user.deleted', actor_id: root.id, session_id: sessionIdOf(root), operation: 'deleteUser' }])
    t.equal((await events(ada)).length, 1)
    await register(ada.username)
  })

  t.test('oneself: an admin may step down, leave or go while there is another', async (t) => {
    const [one, two, three] = [await registerAdmin(), await registerAdmin(), await registerAdmin()]
    t.match(await as(one)('updateUser', { params: { userId: one.id }, body: { role: 'user' } }), { status: 200, body: { role: 'user' } })
    t.same(await statuses(one, 'listUsers'), [403, 403])
    t.match(await as(two)('updateUser', { params: { userId: two.id }, body: { disabled: true } }), { status: 200, body: { disabled: true } })
    t.same(await statuses(two), [401, 401])
    t.equal((await as(three)('deleteUser', { params: { userId: three.id } })).status, 204)
    t.same(await statuses(three), [401, 401])
  })

  t.test('an API token with the scope admin does all of it, and the log says which one', async (t) => {
    const ada = await register()
    const request = { name: 'Operations', scopes: ['admin' as const], currentPassword: PASSWORD }
    const { body: token } = await as(root)('createApiToken', { body: request, expect: 201 })
    const program = as({ accessToken: token.token })
    await program('getUser', { params: { userId: ada.id }, expect: 200 })
    await program('updateUser', { params: { userId: ada.id }, body: { disabled: true }, expect: 200 })
    await program('deleteUser', { params: { userId: ada.id }, expect: 204 })
    const rows = await events(ada)
    t.match(rows, [{ action: 'user.read' }, { action: 'user.disabled' }, { action: 'user.deleted' }])
    for (const row of rows) t.match(row, { actor_id: root.id, api_token_id: token.id, session_id: null })
  })
})
