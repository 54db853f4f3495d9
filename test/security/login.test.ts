import t from 'tap'
import { exchange } from '../http/raw.ts'
import { PASSWORD, startApp } from '../support/app.ts'
import { type Attack, expectNoDefects, expectVerdicts, requestOf } from './attacks.ts'

const MALFORMED = '400 MALFORMED_REQUEST'
const WRONG = '401 INVALID_CREDENTIALS'
const FORM = 'Content-Type: application/x-www-form-urlencoded'
const ALL = 'account:read account:write tasks:read tasks:write webhooks:write'

/** What anybody may send to get in: names, passwords and token requests. */
t.test('login and createToken', async (t) => {
  // Every row is looked at: that guessing is slowed down is tried in test/auth/login-throttle.test.ts.
  const { url, context, register, registerAdmin, logged } = await startApp(t, { LOGIN_FREE_FAILURES: '1000000' })
  const [ada, root, disabled] = [await register('ada'), await registerAdmin(), await register('disabled')]
  await context.db.updateTable('users').set({ disabled_at: new Date().toISOString() }).where('id', '=', disabled.id).execute()

  const post = (body: unknown) => requestOf('POST /api/v1/auth/login', [], typeof body === 'string' ? body : JSON.stringify(body))
  const login = (changes: Record<string, unknown>) => post({ username: ada.username, password: PASSWORD, ...changes })
  const name = (text: unknown) => JSON.stringify(text)?.slice(0, 60) ?? 'nothing'

  const types: readonly unknown[] = [null, 1, 0, -1, 1e21, true, false, [], ['ada'], {}, { $ne: null }, { $gt: '' }, { toString: 'x' }, { length: 8 }]
  const assignments: readonly Attack[] = [
    ...['role', 'scope', 'userId', 'remember', 'expiresIn', 'otp', 'email'].map(
      (field): Attack => [`login with ${field}`, login({ [field]: 'admin' }), `422 body/${field} additionalProperties`],
    ),
    ['login with two passwords, of which one is right', post(`{"username":"ada","password":"${PASSWORD}","password":"wrong password"}`), MALFORMED],
    ['login with a list of passwords', login({ password: [PASSWORD, 'other'] }), '422 body/password type'],
    ['login with many users', post([{ username: 'ada', password: PASSWORD }]), '422 body type'],
    ...['username', 'password'].flatMap((field) =>
      types.map((value): Attack => [`login with ${field}: ${name(value)}`, login({ [field]: value }), `422 body/${field} type`]),
    ),
  ]

  const lock = '\u{1f512}'
  const wrong: readonly Attack[] = [
    ...(
      [
        'correct horse battery stapl',
        'correct horse battery staple ',
        ' correct horse battery staple',
        'Correct horse battery staple',
        'correct horse battery staple\n',
        'correct  horse battery staple',
        'correct\u{a0}horse battery staple',
        'c\u{3bf}rrect horse battery staple',
        `${PASSWORD}${PASSWORD}`,
        "' or '1'='1",
        '%',
        '*',
        '.*',
        'null',
        'undefined',
        'true',
        '$argon2id$v=19$m=1024,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
        'x'.repeat(256),
        lock.repeat(256),
      ] as const
    ).map((password): Attack => [`login with the password ${name(password)}`, login({ password }), WRONG]),
    ...[
      "ada' --",
      "' or 1=1 --",
      'ada%',
      '_da',
      'ada*',
      'ada\\',
      '\u{430}da',
      'ada\u{200b}',
      'ad\u{1d41a}',
      'ada@example.com@example.com',
      'admin',
      'root',
      '*',
      '..',
      'ada\u{301}',
      'ada:',
      'ada@',
    ].map((username): Attack => [`login as ${name(username)}`, login({ username }), WRONG]),
    ['login with nothing for a name', login({ username: ' \t\u{3000}' }), '422 body/username minLength'],
    ['login with nothing for a password', login({ password: '' }), '422 body/password minLength'],
    ['login with a name of 255 characters', login({ username: 'a'.repeat(255) }), '422 body/username maxLength'],
    ['login with a password of 250 kB', login({ password: 'x'.repeat(250_000) }), '422 body/password maxLength'],
    ['login with NUL behind the name', login({ username: 'ada\0' }), '422 body/username characters'],
    ['login with NUL behind the password', login({ password: `${PASSWORD}\0` }), '422 body/password characters'],
    ['login with the name in another case', login({ username: 'ADA' }), '200'],
    ['login with the address in another case', login({ username: 'ADA@example.COM' }), '200'],
  ]

  const form = (parameters: string | Record<string, string>, ...headers: string[]) =>
    requestOf('POST /api/v1/auth/token', [FORM, ...headers], typeof parameters === 'string' ? parameters : new URLSearchParams(parameters).toString())
  const grant = { grant_type: 'password', username: ada.username, password: PASSWORD }
  const granted = new URLSearchParams(grant).toString()
  const scope =
    (expected: string): Attack[3] =>
    (t, { headers, body }) => {
      t.equal(JSON.parse(body).scope, expected)
      t.equal(headers.get('cache-control'), 'no-store')
    }
  const INVALID = '400 invalid_request'
  const grants: readonly Attack[] = [
    ['no parameters', form(''), INVALID],
    ['no grant type', form({ username: 'ada', password: PASSWORD }), INVALID],
    ['an empty grant type', form({ ...grant, grant_type: '' }), INVALID],
    ...[
      'authorization_code',
      'client_credentials',
      'implicit',
      'PASSWORD',
      ' password',
      'password ',
      'password\n',
      'refresh',
      'urn:ietf:params:oauth:grant-type:jwt-bearer',
    ].map((grant_type): Attack => [`grant type ${name(grant_type)}`, form({ ...grant, grant_type }), '400 unsupported_grant_type']),
    ...['urn:ietf:params:oauth:grant-type:token-exchange', 'urn:ietf:params:oauth:grant-type:device_code', '__proto__', 'constructor'].map(
      (grant_type): Attack => [`grant type ${name(grant_type)}`, form({ ...grant, grant_type }), '400 unsupported_grant_type'],
    ),
    ...Object.keys({ ...grant, scope: '', client_id: '', refresh_token: '', other: '' }).map(
      (parameter): Attack => [`${parameter} twice`, form(`${granted}&scope=tasks:read&client_id=a&refresh_token=a&other=a&${parameter}=b`), INVALID],
    ),
    ['username twice, once percent-encoded', form(`${granted}&user%6Eame=eve`), INVALID],
    ['username[] beside username', form(`${granted}&username[]=eve&username[0]=eve`), '200', scope(ALL)],
    ['no username', form({ grant_type: 'password', password: PASSWORD }), INVALID],
    ['no password', form({ grant_type: 'password', username: 'ada' }), INVALID],
    ['an empty password', form({ ...grant, password: '' }), INVALID],
    ['a password that is too long', form({ ...grant, password: 'x'.repeat(257) }), INVALID],
    ['an unknown parameter that is too long', form({ ...grant, other: 'x'.repeat(4097) }), INVALID],
    ['a value of 200 kB', form({ ...grant, other: 'x'.repeat(200_000) }), INVALID],
    ['20,000 parameters', form(`${granted}&${Array.from({ length: 20_000 }, (_, index) => `p${index}=1`).join('&')}`), '200', scope(ALL)],
    ['NUL in the username', form(`${granted.replace('ada', 'ada%00')}`), INVALID],
    ...['%', '%zz', '%ff', '%c0%80', '%ed%a0%80'].map((text): Attack => [`a form with ${text}`, form(`${granted}&scope=${text}`), INVALID]),
    ['a wrong password', form({ ...grant, password: 'wrong password' }), '401 invalid_grant'],
    ['an unknown user', form({ ...grant, username: 'nobody' }), '401 invalid_grant'],
    ['a disabled user', form({ ...grant, username: 'disabled' }), '401 invalid_grant'],
    ['a wrong password and a scope that nobody has', form({ ...grant, password: 'wrong password', scope: 'root' }), '401 invalid_grant'],
    ['the password in the query', requestOf(`POST /api/v1/auth/token?${granted}`, [FORM], granted), '400 invalid_request'],
    ['the password in the query alone', requestOf(`POST /api/v1/auth/token?${granted}`, [FORM], 'grant_type=password'), '400 invalid_request'],
    ['a refresh token beside a password', form({ ...grant, refresh_token: 'x' }), '200', scope(ALL)],
    ['the grant by refresh token without one', form({ grant_type: 'refresh_token' }), INVALID],
    ['the grant by refresh token with a password', form({ ...grant, grant_type: 'refresh_token' }), INVALID],
    ...['Basic Og==', 'Basic YWRhOndyb25n', 'Basic !!!', 'Basic', `Basic ${'A'.repeat(8000)}`, 'Bearer x', 'Digest a="b"', '\u00e4'].map(
      (credentials): Attack => [
        `the client says ${credentials.slice(0, 30)}, and is none that needs to`,
        form(grant, `Authorization: ${credentials}`),
        '200',
      ],
    ),
    ['the client by its name and secret', form({ ...grant, client_id: 'app', client_secret: 'secret' }), '200'],
    [
      'the client by a signed statement',
      form({ ...grant, client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: 'x.y.z' }),
      '200',
    ],
    ['another audience', form({ ...grant, audience: 'https://evil.example', resource: 'https://evil.example' }), '200', scope(ALL)],
    [
      'a place to be sent to',
      form({ ...grant, redirect_uri: 'https://evil.example' }),
      '200',
      (t, { headers }) => t.equal(headers.get('location'), null),
    ],
  ]

  const scopes: readonly Attack[] = [
    ...[
      'admin',
      'tasks:read admin',
      `${ALL} admin`,
      'ADMIN',
      'root',
      '*',
      'all',
      'tasks:*',
      'tasks',
      'tasks:delete',
      'TASKS:READ',
      'tasks:read,tasks:write',
      'tasks:read;tasks:write',
      'tasks:read\ttasks:write',
      'tasks:read\ntasks:write',
      'tasks:read\u{a0}tasks:write',
      'tasks:read+admin',
      '"tasks:read"',
      '["tasks:read"]',
      'tasks:read\u{200b}',
      'openid',
      'offline_access',
      '__proto__',
      'constructor',
      'toString',
    ].map((wanted): Attack => [`the scope ${name(wanted)}`, form({ ...grant, scope: wanted }), '400 invalid_scope']),
    ['a scope of 256 characters', form({ ...grant, scope: 'x'.repeat(256) }), INVALID],
    ['an admin who asks for what nobody has', form({ ...grant, username: root.username, scope: 'admin root' }), '400 invalid_scope'],
    ['no scope', form({ ...grant, scope: '' }), '200', scope(ALL)],
    ['spaces', form({ ...grant, scope: '   ' }), '200', scope(ALL)],
    ['one scope', form({ ...grant, scope: 'tasks:read' }), '200', scope('tasks:read')],
    ['a scope twice', form({ ...grant, scope: 'tasks:read tasks:read' }), '200', scope('tasks:read')],
    [
      'scopes in another order, with spaces around',
      form({ ...grant, scope: '  tasks:write   account:read ' }),
      '200',
      scope('account:read tasks:write'),
    ],
    ['an admin who asks for less', form({ ...grant, username: root.username, scope: 'tasks:read' }), '200', scope('tasks:read')],
    ['an admin who asks for it', form({ ...grant, username: root.username, scope: 'admin' }), '200', scope('admin')],
  ]

  for (const [area, attacks] of Object.entries({ assignments, wrong, grants, scopes })) {
    t.test(area, async (t) => expectVerdicts(t, url, attacks))
  }

  t.test('who is there cannot be learned: the same bytes for an unknown user, a wrong password and a disabled user, both ways', async (t) => {
    const pinned = 'X-Request-Id: the-same-for-all'
    const bytesOf = async (request: Buffer) => {
      const { status, headers, body } = await exchange(url, request)
      return { status, headers: [...headers].filter(([header]) => header !== 'date'), body }
    }
    const cases = [
      ['ada', 'wrong password'],
      ['ada@example.com', 'wrong password'],
      ['ADA', 'x'],
      ['nobody', PASSWORD],
      ['nobody@example.com', PASSWORD],
      ["' or 1=1 --", PASSWORD],
      ['disabled', PASSWORD],
      ['disabled@example.com', PASSWORD],
      ['disabled', 'wrong password'],
      [root.username, 'wrong password'],
    ] as const
    const byJson = await Promise.all(
      cases.map(([username, password]) => bytesOf(requestOf('POST /api/v1/auth/login', [pinned], JSON.stringify({ username, password })))),
    )
    const byForm = await Promise.all(cases.map(([username, password]) => bytesOf(form({ grant_type: 'password', username, password }, pinned))))
    for (const answers of [byJson, byForm]) for (const answer of answers) t.strictSame(answer, answers[0])
    t.equal(byJson[0]?.status, 401)
    t.equal(byForm[0]?.status, 401)
  })

  expectNoDefects(t, logged)
})
