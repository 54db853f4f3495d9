import t from 'tap'
import { PASSWORD, startApp } from '../support/app.ts'
import { send } from '../support/client.ts'
import { checkAnswer } from '../support/contract-check.ts'

const ALL = 'account:read account:write tasks:read tasks:write webhooks:write'

t.test('createToken by password', async (t) => {
  const { as, register, registerAdmin, url } = await startApp(t)
  const ada = await register('Ada')
  const root = await registerAdmin()
  const { username } = ada
  const grant = { grant_type: 'password', username, password: PASSWORD } as const

  /** What the types forbid: a raw form, or other headers. The answer is checked against the contract all the same. */
  const post = async (raw: string, headers: Record<string, string> = {}) => {
    const response = await send(url, 'createToken', undefined, { raw, headers })
    const text = await response.text()
    checkAnswer('createToken', response.status, response.headers, text)
    return { status: response.status, headers: response.headers, body: JSON.parse(text) }
  }
  const form = (parameters: Record<string, string>) => new URLSearchParams(parameters).toString()

  t.test('200: by username or e-mail address in any case, not to be cached', async (t) => {
    for (const username of ['Ada', 'ADA', 'ada@EXAMPLE.com', ' ada ']) {
      const { body, headers } = await as()('createToken', { body: { ...grant, username }, expect: 200 })
      t.match(body, { token_type: 'bearer', expires_in: 900, scope: ALL })
      t.equal(headers.get('cache-control'), 'no-store')
      t.match((await as({ accessToken: body.access_token })('getMe', { expect: 200 })).body, { id: ada.id })
    }
  })

  t.test('200: with all the scopes of the role, or those that are asked for', async (t) => {
    for (const [asked, granted] of [
      ['tasks:read', 'tasks:read'],
      ['tasks:write tasks:read', 'tasks:read tasks:write'],
      ['tasks:read tasks:read', 'tasks:read'],
      ['  tasks:read   account:read ', 'account:read tasks:read'],
      [ALL, ALL],
      [' ', ALL],
    ] as const) {
      const { body } = await as()('createToken', { body: { ...grant, scope: asked }, expect: 200 })
      t.equal(body.scope, granted, asked)
    }
    for (const [scope, granted] of [
      ['admin', 'admin'],
      ['tasks:read admin', 'admin tasks:read'],
      ['', `admin ${ALL}`],
    ] as const) {
      const { body } = await as()('createToken', { body: { ...grant, username: root.username, scope }, expect: 200 })
      t.equal(body.scope, granted, scope)
    }
  })

  t.test('400 invalid_scope: unknown, or not for this role', async (t) => {
    for (const scope of [
      'admin',
      `${ALL} admin`,
      'tasks:delete',
      'TASKS:READ',
      'tasks:read,tasks:write',
      'tasks:read\ttasks:write',
      '*',
      'openid',
      'constructor',
    ]) {
      const { status, body } = await as()('createToken', { body: { ...grant, scope } })
      t.match({ status, body }, { status: 400, body: { code: 'MALFORMED_REQUEST', error: 'invalid_scope' } }, scope)
    }
    t.match(await as()('createToken', { body: { ...grant, username: root.username, scope: 'root' } }), {
      status: 400,
      body: { error: 'invalid_scope' },
    })
  })

  t.test('401 invalid_grant: a wrong password, the same bytes as to an unknown user, before anything is said about the scope', async (t) => {
    const texts = []
    for (const wrong of [
      { password: 'wrong password' },
      { username: 'nobody' },
      { username: 'nobody@example.com' },
      { username: 'nobody', scope: 'admin' },
    ]) {
      const { status, headers, text, body } = await as()('createToken', {
        body: { ...grant, ...wrong },
        headers: { 'X-Request-Id': 'one-and-the-same' },
      })
      t.match({ status, body }, { status: 401, body: { code: 'INVALID_CREDENTIALS', error: 'invalid_grant' } })
      t.equal(headers.get('www-authenticate'), 'Bearer realm="docket"')
      t.equal(headers.get('cache-control'), 'no-store')
      texts.push(text)
    }
    t.equal(new Set(texts).size, 1)
  })

  t.test('400 unsupported_grant_type', async (t) => {
    for (const grant_type of ['authorization_code', 'client_credentials', 'PASSWORD', 'password ', 'urn:ietf:params:oauth:grant-type:device_code']) {
      t.match(await post(form({ ...grant, grant_type })), { status: 400, body: { error: 'unsupported_grant_type' } }, grant_type)
    }
  })

  t.test('400 invalid_request: a parameter is missing, empty, or too long', async (t) => {
    for (const body of [
      '',
      '&',
      'password',
      form({ username, password: PASSWORD }),
      form({ ...grant, grant_type: '' }),
      form({ grant_type: 'password', username }),
      form({ grant_type: 'password', password: PASSWORD }),
      form({ ...grant, password: '' }),
      form({ ...grant, username: '' }),
      form({ grant_type: 'refresh_token' }),
      form({ grant_type: 'refresh_token', refresh_token: '' }),
      form({ ...grant, username: 'u'.repeat(255) }),
      form({ ...grant, scope: 's'.repeat(256) }),
      form({ ...grant, client_id: 'c'.repeat(256) }),
      form({ ...grant, other: 'o'.repeat(4097) }),
      form({ ...grant, username: 'ada\u0000' }),
      `${form(grant)}&scope=%ff`,
      `${form(grant)}&scope=%`,
    ]) {
      t.match(await post(body), { status: 400, body: { code: 'MALFORMED_REQUEST', error: 'invalid_request' } }, body.slice(0, 80))
    }
  })

  t.test('400 invalid_request: a parameter that is given twice', async (t) => {
    for (const parameter of [
      'grant_type=password',
      'grant_type=refresh_token',
      'username=Ada',
      'password=x',
      'scope=admin&scope=tasks:read',
      'other=1&other=2',
    ]) {
      t.match(await post(`${form(grant)}&${parameter}`), { status: 400, body: { error: 'invalid_request' } }, parameter)
    }
  })

  t.test('200: empty parameters count as absent, unknown ones and the client are ignored', async (t) => {
    for (const parameters of [
      'scope=',
      'scope',
      'client_id=&client_secret=',
      'client_id=app&client_secret=secret',
      'refresh_token=nonsense',
      'other=1',
      'other',
      '__proto__=1',
      'username=',
    ]) {
      const { status, body } = await post(`${form(grant)}&${parameters}`)
      t.match({ status, body }, { status: 200, body: { scope: ALL } }, parameters)
    }
  })

  t.test('200: with the Authorization header of a client that has no secret, or any other', async (t) => {
    for (const Authorization of ['Basic Og==', 'Basic YXBwOnNlY3JldA==', 'Basic', 'Bearer expired', 'Negotiate x']) {
      t.equal((await post(form(grant), { Authorization })).status, 200, Authorization)
    }
  })

  t.test('200: a charset behind the content type is fine', async (t) => {
    t.equal((await post(form(grant), { 'Content-Type': 'application/x-www-form-urlencoded; charset=UTF-8' })).status, 200)
  })

  t.test('415: what is no form', async (t) => {
    for (const [type, raw] of [
      ['application/json', JSON.stringify(grant)],
      ['text/plain', form(grant)],
      ['multipart/form-data; boundary=x', '--x\r\nContent-Disposition: form-data; name="grant_type"\r\n\r\npassword\r\n--x--\r\n'],
    ] as const) {
      const { status, body, headers } = await post(raw, { 'Content-Type': type })
      t.match({ status, body }, { status: 415, body: { code: 'UNSUPPORTED_MEDIA_TYPE', error: 'invalid_request' } }, type)
      t.equal(headers.get('cache-control'), 'no-store')
    }
  })

  t.test('400 unsupported_grant_type: a password where that grant is switched off, and login goes on', async (t) => {
    const { as, register } = await startApp(t, { AUTH_PASSWORD_GRANT: 'off' })
    const { username, refreshToken } = await register()
    const { body } = await as()('createToken', { body: { grant_type: 'password', username, password: PASSWORD }, expect: 400 })
    t.match(body, { error: 'unsupported_grant_type', code: 'MALFORMED_REQUEST' })
    await as()('login', { body: { username, password: PASSWORD }, expect: 200 })
    await as()('createToken', { body: { grant_type: 'refresh_token', refresh_token: refreshToken }, expect: 200 })
  })

  t.test('413: more than 256 KiB', async (t) => {
    t.match(await post(`${form(grant)}&other=${'o'.repeat(262_144)}`), { status: 413, body: { code: 'PAYLOAD_TOO_LARGE', error: 'invalid_request' } })
  })
})
