import { sql } from 'kysely'
import t from 'tap'
import { PASSWORD, type Person, startApp } from '../support/app.ts'

t.test('an admin who is one no more', async (t) => {
  const { as, context, register, registerAdmin } = await startApp(t)
  const { db, notifications } = context
  const logIn = async ({ username }: Person) => (await as()('login', { body: { username, password: PASSWORD }, expect: 200 })).body
  const setRole = async ({ id }: Person, role: 'user' | 'admin') => {
    await db.updateTable('users').set({ role }).where('id', '=', id).execute()
    await sql`select pg_notify('docket', ${`user:${id}`})`.execute(db)
    await notifications.settle()
  }

  t.test('listUsers: 403 FORBIDDEN with a token from before, which goes on as that of a user', async (t) => {
    const root = await registerAdmin()
    const unused = await logIn(root)
    await as(root)('listUsers', { expect: 200 })
    await setRole(root, 'user')
    t.match(await as(unused)('listUsers'), { status: 403, body: { code: 'FORBIDDEN' } })
    t.match(await as(unused)('getMe'), { status: 200, body: { role: 'user' } })
    t.match(await as(root)('listUsers'), { status: 403, body: { code: 'FORBIDDEN' } })
  })

  t.test('createToken: the scope admin is gone from the next pair, and refused to whoever asks for it', async (t) => {
    const root = await registerAdmin()
    await setRole(root, 'user')
    const { body } = await as()('createToken', { body: { grant_type: 'refresh_token', refresh_token: root.refreshToken }, expect: 200 })
    t.equal(body.scope, 'account:read account:write tasks:read tasks:write webhooks:write')
    t.equal((await as({ accessToken: body.access_token })('listUsers')).status, 403)
    t.match(await as()('createToken', { body: { grant_type: 'password', username: root.username, password: PASSWORD, scope: 'admin' } }), {
      status: 400,
      body: { error: 'invalid_scope' },
    })
  })

  t.test('listUsers: 403 INSUFFICIENT_SCOPE to a new admin until the next login', async (t) => {
    const ada = await register()
    await setRole(ada, 'admin')
    t.match(await as(ada)('listUsers'), { status: 403, body: { code: 'INSUFFICIENT_SCOPE' } })
    t.equal((await as(await logIn(ada))('listUsers')).status, 200)
  })

  t.test('listUsers: 401 to a disabled admin', async (t) => {
    const root = await registerAdmin()
    await db.updateTable('users').set({ disabled_at: new Date().toISOString() }).where('id', '=', root.id).execute()
    t.equal((await as(root)('listUsers')).status, 401)
  })
})
