import t from 'tap'
import { PASSWORD, startApp } from '../support/app.ts'
import { send } from '../support/client.ts'

t.test('logout', async (t) => {
  const { as, register, url } = await startApp(t)
  const ada = await register()
  const logIn = async () => (await as()('login', { body: { username: ada.username, password: PASSWORD }, expect: 200 })).body
  const refresh = (refresh_token: string) => as()('createToken', { body: { grant_type: 'refresh_token', refresh_token } })

  t.test('204: access and refresh token are dead at once, those before a rotation too', async (t) => {
    const first = await logIn()
    const { body: second } = await as()('createToken', { body: { grant_type: 'refresh_token', refresh_token: first.refreshToken }, expect: 200 })
    const tokens = [first.accessToken, second.access_token]
    for (const accessToken of tokens) await as({ accessToken })('getMe', { expect: 200 })
    const { headers, text } = await as({ accessToken: second.access_token })('logout', { expect: 204 })
    t.equal(text, '')
    t.equal(headers.get('cache-control'), 'no-store')
    for (const accessToken of tokens) {
      const { status, body, headers } = await as({ accessToken })('getMe')
      t.match({ status, body }, { status: 401, body: { code: 'UNAUTHENTICATED' } })
      t.equal(headers.get('www-authenticate'), 'Bearer realm="docket", error="invalid_token"')
    }
    for (const token of [second.refresh_token, first.refreshToken]) t.match(await refresh(token), { status: 400, body: { error: 'invalid_grant' } })
  })

  t.test('204: other sessions of the same user live on', async (t) => {
    const [one, other] = [await logIn(), await logIn()]
    await as(other)('getMe', { expect: 200 })
    await as(one)('logout', { expect: 204 })
    t.equal((await as(other)('getMe')).status, 200)
    t.equal((await as(ada)('getMe')).status, 200)
    t.equal((await refresh(other.refreshToken)).status, 200)
  })

  t.test('401: the second time, and to nobody', async (t) => {
    const session = await logIn()
    await as(session)('logout', { expect: 204 })
    t.equal((await as(session)('logout')).status, 401)
    t.equal((await as()('logout')).status, 401)
  })

  t.test('204 to one token or more of many at once, and then it is over', async (t) => {
    const session = await logIn()
    const statuses = (await Promise.all(Array.from({ length: 10 }, () => as(session)('logout')))).map(({ status }) => status)
    t.ok(statuses.includes(204), statuses.join())
    t.same(
      statuses.filter((status) => status !== 204 && status !== 401),
      [],
    )
    t.equal((await as(session)('getMe')).status, 401)
  })

  t.test('204: with the narrowest token', async (t) => {
    const { body } = await as()('createToken', {
      body: { grant_type: 'password', username: ada.username, password: PASSWORD, scope: 'tasks:read' },
      expect: 200,
    })
    t.equal((await as({ accessToken: body.access_token })('logout')).status, 204)
    t.equal((await as({ accessToken: body.access_token })('listTasks')).status, 401)
  })

  t.test('400 with a body, and the session lives on', async (t) => {
    const session = await logIn()
    t.equal((await send(url, 'logout', session.accessToken, { raw: '{}' })).status, 400)
    t.equal((await as(session)('getMe')).status, 200)
  })

  t.test('204 with a content type but no body, as some clients send it', async (t) => {
    t.equal((await send(url, 'logout', (await logIn()).accessToken, { headers: { 'Content-Type': 'application/json' } })).status, 204)
  })
})
