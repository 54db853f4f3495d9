import { sql } from 'kysely'
import t from 'tap'
import { PASSWORD, type Person, startApp } from '../support/app.ts'

t.test('a disabled user', async (t) => {
  const { as, context, register } = await startApp(t)
  const { db, notifications } = context
  const logIn = async ({ username }: Person) => (await as()('login', { body: { username, password: PASSWORD }, expect: 200 })).body
  const setDisabled = async ({ id }: Person, at: string | null) => {
    await db.updateTable('users').set({ disabled_at: at }).where('id', '=', id).execute()
    await sql`select pg_notify('docket', ${`user:${id}`})`.execute(db)
    await notifications.settle()
  }
  const disable = (person: Person) => setDisabled(person, new Date().toISOString())

  t.test('login and createToken: 401', async (t) => {
    const eve = await register()
    await disable(eve)
    for (const username of [eve.username, eve.email]) {
      const login = await as()('login', { body: { username, password: PASSWORD } })
      t.match(login, { status: 401, body: { code: 'INVALID_CREDENTIALS' } })
      const token = await as()('createToken', { body: { grant_type: 'password', username, password: PASSWORD } })
      t.match(token, { status: 401, body: { code: 'INVALID_CREDENTIALS', error: 'invalid_grant' } })
    }
  })

  t.test('createToken: 400 to the refresh tokens, the newest and the one before', async (t) => {
    const eve = await register()
    const { body: next } = await as()('createToken', { body: { grant_type: 'refresh_token', refresh_token: eve.refreshToken }, expect: 200 })
    await disable(eve)
    for (const refresh_token of [next.refresh_token, eve.refreshToken]) {
      const { status, body } = await as()('createToken', { body: { grant_type: 'refresh_token', refresh_token } })
      t.match({ status, body }, { status: 400, body: { error: 'invalid_grant' } })
    }
  })

  t.test('401 with a live access token', async (t) => {
    const eve = await register()
    const unused = await logIn(eve)
    await as(eve)('getMe', { expect: 200 })
    await disable(eve)
    t.equal((await as(unused)('getMe')).status, 401)
    t.equal((await as(unused)('updateMe', { body: { timeZone: 'Europe/Berlin' } })).status, 401)
    t.equal((await as(unused)('logout')).status, 401)
    t.match(await as(eve)('getMe'), { status: 401, body: { code: 'UNAUTHENTICATED' } })
  })

  t.test('200 again once enabled', async (t) => {
    const eve = await register()
    await disable(eve)
    await setDisabled(eve, null)
    t.equal((await as(await logIn(eve))('getMe')).status, 200)
  })

  t.test('others go on', async (t) => {
    const [eve, ada] = [await register(), await register()]
    await as(ada)('getMe', { expect: 200 })
    await disable(eve)
    t.equal((await as(ada)('getMe')).status, 200)
    t.equal((await as(await logIn(ada))('getMe')).status, 200)
  })
})
