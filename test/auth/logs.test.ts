import t from 'tap'
import { startApp } from '../support/app.ts'
import { send } from '../support/client.ts'

const SECRETS = {
  password: 'marker-password-7f3a',
  wrong: 'marker-wrong-password-91c2',
  query: 'marker-query-5d0e',
  client: 'marker-client-secret-e4b8',
  garbage: 'marker-garbage-token-c6d1',
} as const

t.test('the log', async (t) => {
  const { as, context, url, logged } = await startApp(t)
  const username = 'ada'
  const body = { username, email: 'ada@example.com', password: SECRETS.password }
  const { body: ada } = await as()('register', { body, expect: 201 })
  await as()('register', { body, expect: 409 })
  await as()('register', { body: { ...body, email: SECRETS.wrong } as never, expect: 422 })
  await as()('login', { body: { username, password: SECRETS.password }, expect: 200 })
  await as()('login', { body: { username, password: SECRETS.wrong }, expect: 401 })
  const grant = { grant_type: 'password', username, client_secret: SECRETS.client } as const
  await as()('createToken', { body: { ...grant, password: SECRETS.wrong }, expect: 401 })
  const { body: tokens } = await as()('createToken', { body: { ...grant, password: SECRETS.password }, expect: 200 })
  await as()('createToken', { body: { grant_type: 'refresh_token', refresh_token: SECRETS.garbage }, expect: 400 })
  const { body: next } = await as()('createToken', { body: { grant_type: 'refresh_token', refresh_token: ada.refreshToken }, expect: 200 })
  await as(ada)('getMe', { expect: 200 })
  await as({ accessToken: SECRETS.garbage })('getMe', { expect: 401 })
  await as(ada)('listTasks', { query: { q: SECRETS.query }, expect: 200 })
  await send(url, 'login', undefined, { raw: `{"username":"ada","password":"${SECRETS.password}` })
  await send(url, 'getMe', undefined, { query: { access_token: ada.accessToken } })
  await fetch(`${url}/no-such-path?token=${SECRETS.garbage}`, { headers: { Authorization: `Bearer ${ada.accessToken}` } })
  await as(ada)('logout', { expect: 204 })
  // Answers that are a defect are logged with their error, and that must not quote the row.
  await context.db.schema.alterTable('sessions').dropColumn('scopes').execute()
  await as()('login', { body: { username, password: SECRETS.password }, expect: 500 })
  await as({ accessToken: tokens.access_token })('getMe', { expect: 500 })

  t.test('has a line for each request', async (t) => {
    for (const operation of ['register', 'login', 'createToken', 'getMe', 'listTasks', 'logout']) {
      t.ok(
        logged.some((line) => line['operation'] === operation && typeof line['status'] === 'number'),
        operation,
      )
    }
    t.ok(logged.some(({ level }) => level === 50))
  })

  t.test('holds no password, no token and no Authorization header', async (t) => {
    const text = logged.map((line) => JSON.stringify(line)).join('\n')
    const { password_hash } = await context.db.selectFrom('users').select('password_hash').executeTakeFirstOrThrow()
    const secrets = {
      ...SECRETS,
      accessToken: ada.accessToken,
      refreshToken: ada.refreshToken,
      oauth2AccessToken: tokens.access_token,
      oauth2RefreshToken: tokens.refresh_token,
      successor: next.refresh_token,
      signature: ada.accessToken.split('.')[2] ?? '',
      hash: password_hash,
      secret: context.config.auth.secrets?.[0] ?? '',
    }
    for (const [name, secret] of Object.entries(secrets)) {
      t.ok(secret.length > 10)
      t.notOk(text.includes(secret), name)
    }
    t.notMatch(text, /authorization|bearer /i)
  })
})
