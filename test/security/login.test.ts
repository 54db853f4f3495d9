import t from 'tap'
import { exchange } from '../http/raw.ts'
import { PASSWORD, startApp } from '../support/app.ts'
import { type Attack, expectNoDefects, expectVerdicts, requestOf } from './attacks.ts'

const MALFORMED = '400 MALFORMED_REQUEST'
const WRONG = '401 INVALID_CREDENTIALS'
const FORM = 'Content-Type: application/x-www-form-urlencoded'
const ALL = 'account:read account:write tasks:read tasks:write'

/** What anybody may send without a token: registrations, logins and token requests. */
t.test('register, login and createToken', async (t) => {
  // Every row is looked at: that guessing is slowed down is tried in test/auth/login-throttle.test.ts.
  const { url, as, context, register, registerAdmin, logged } = await startApp(t, { LOGIN_FREE_FAILURES: '1000000' })
  const [ada, root, disabled] = [await register('ada'), await registerAdmin(), await register('disabled')]
  await context.db.updateTable('users').set({ disabled_at: new Date().toISOString() }).where('id', '=', disabled.id).execute()

  const post = (path: string, body: unknown) => requestOf(`POST /api/v1/auth/${path}`, [], typeof body === 'string' ? body : JSON.stringify(body))
  let count = 0
  const registration = (changes: Record<string, unknown>) => {
    count += 1
    return post('register', { email: `new-${count}@example.com`, username: `new-${count}`, password: PASSWORD, ...changes })
  }
  const login = (changes: Record<string, unknown>) => post('login', { username: ada.username, password: PASSWORD, ...changes })
  const name = (text: unknown) => JSON.stringify(text)?.slice(0, 60) ?? 'nothing'

  const types: readonly unknown[] = [null, 1, 0, -1, 1e21, true, false, [], ['ada'], {}, { $ne: null }, { $gt: '' }, { toString: 'x' }, { length: 8 }]
  const owned = [
    'id',
    'role',
    'roles',
    'admin',
    'isAdmin',
    'emailVerified',
    'email_verified_at',
    'password_hash',
    'passwordHash',
    'disabled',
    'disabledAt',
    'createdAt',
    'timeZone',
    'scope',
    'scopes',
    'user',
    'inbox',
  ]
  const assignments: readonly Attack[] = [
    ...owned.map((field): Attack => [`register with ${field}`, registration({ [field]: 'admin' }), `422 body/${field} additionalProperties`]),
    ...['role', 'scope', 'userId', 'remember', 'expiresIn', 'otp', 'email'].map(
      (field): Attack => [`login with ${field}`, login({ [field]: 'admin' }), `422 body/${field} additionalProperties`],
    ),
    [
      'register with a user inside',
      post('register', { user: { email: 'a@example.com', username: 'abc', password: PASSWORD, role: 'admin' } }),
      '422 body/email required',
    ],
    ['register with a list of users', post('register', [{ email: 'a@example.com', username: 'abc', password: PASSWORD }]), '422 body type'],
    [
      'register with __proto__',
      post('register', `{"email":"p@example.com","username":"proto","password":"${PASSWORD}","__proto__":{"role":"admin"}}`),
      '422 body/__proto__ additionalProperties',
    ],
    [
      'register with the role twice removed',
      post('register', `{"email":"p@example.com","username":"proto","password":"${PASSWORD}","username":"root"}`),
      MALFORMED,
    ],
    [
      'login with two passwords, of which one is right',
      post('login', `{"username":"ada","password":"${PASSWORD}","password":"wrong password"}`),
      MALFORMED,
    ],
    ['login with a list of passwords', login({ password: [PASSWORD, 'other'] }), '422 body/password type'],
    ['login with many users', post('login', [{ username: 'ada', password: PASSWORD }]), '422 body type'],
    ...['email', 'username', 'password'].flatMap((field) =>
      types.map((value): Attack => [`register with ${field}: ${name(value)}`, registration({ [field]: value }), `422 body/${field} type`]),
    ),
    ...['username', 'password'].flatMap((field) =>
      types.map((value): Attack => [`login with ${field}: ${name(value)}`, login({ [field]: value }), `422 body/${field} type`]),
    ),
  ]

  const FORMAT = '422 body/email format'
  const emails: readonly Attack[] = (
    [
      ['ada@example.com', '409 EMAIL_TAKEN'],
      ['ADA@EXAMPLE.COM', '409 EMAIL_TAKEN'],
      [' ada@example.com\t', '409 EMAIL_TAKEN'],
      ['\u{a0}\u{feff}ada@example.com', '409 EMAIL_TAKEN'],
      ['\u{200b}ada@example.com', FORMAT],
      ['\u{430}da@example.com', FORMAT],
      ['ada@ex\u{430}mple.com', FORMAT],
      ['ada@example.com\u{3002}', FORMAT],
      ['ada\u{ff20}example.com', FORMAT],
      ['ad\u{1d41a}@example.com', FORMAT],
      ['ada@b\u{fc}cher.example', FORMAT],
      ['"ada"@example.com', FORMAT],
      ['"a@b"@example.com', FORMAT],
      ['"<script>"@example.com', FORMAT],
      ['ada(comment)@example.com', FORMAT],
      ['ada@(comment)example.com', FORMAT],
      ['Ada <ada@example.com>', FORMAT],
      ['<ada@example.com>', FORMAT],
      ['ada@example.com, eve@example.com', FORMAT],
      ['ada@example.com;eve@example.com', FORMAT],
      ['ada@example.com eve@example.com', FORMAT],
      ['ada@example.com\r\nBcc: eve@example.com', FORMAT],
      ['ada@example.com\nTo:eve@example.com', FORMAT],
      ['ada\r\n@example.com', FORMAT],
      ['ada@example.com%0d%0aBcc:eve@example.com', FORMAT],
      ['ada@@example.com', FORMAT],
      ['ada@eve@example.com', FORMAT],
      ['@example.com', FORMAT],
      ['ada@', FORMAT],
      ['ada@.', FORMAT],
      ['ada@localhost', FORMAT],
      ['ada@127.0.0.1', '201'],
      ['ada@[127.0.0.1]', FORMAT],
      ['ada@[IPv6:::1]', FORMAT],
      ['ada@example.com.', FORMAT],
      ['ada@example..com', FORMAT],
      ['ada@-example.com', FORMAT],
      ['.ada@example.com', FORMAT],
      ['ada.@example.com', FORMAT],
      ['a..da@example.com', FORMAT],
      ['mailto:ada@example.com', FORMAT],
      ['ada@example.com?subject=x', FORMAT],
      ["ada'@example.com'--", FORMAT],
      [`${'a'.repeat(65)}@example.com`, FORMAT],
      [`ada@${'a'.repeat(64)}.com`, FORMAT],
      [`ada@${'a.'.repeat(130)}com`, '422 body/email maxLength'],
      [`${'a'.repeat(100_000)}@example.com`, '422 body/email maxLength'],
      [`${'a.'.repeat(31)}${'!'.repeat(60)}`, FORMAT],
      [`a@${'a'.repeat(60)}.${'a'.repeat(60)}.${'a-'.repeat(60)}`, FORMAT],
      ['', '422 body/email minLength'],
      ['ada+tag@example.com', '201'],
      ['a.d.a@example.com', '201'],
      ["o'hara@example.com", '201'],
      ['%s%n@example.com', '201'],
      ['ada@xn--bcher-kva.example', '201'],
    ] as const
  ).map(([email, verdict]): Attack => [`register as ${name(email)}`, registration({ email }), verdict])

  const PATTERN = '422 body/username pattern'
  const usernames: readonly Attack[] = (
    [
      ['ada', '409 USERNAME_TAKEN'],
      ['ADA', '409 USERNAME_TAKEN'],
      [' ada\n', '409 USERNAME_TAKEN'],
      ['\u{feff}ada\u{3000}', '409 USERNAME_TAKEN'],
      ['\u{430}da', PATTERN],
      ['ad\u{e0}', PATTERN],
      ['ada\u{200b}', PATTERN],
      ['ada\u{301}', PATTERN],
      ['ad\u{202e}a', PATTERN],
      ['\u{ff41}da', PATTERN],
      ['\u{1d41a}da', PATTERN],
      ['\u{212a}ate', PATTERN],
      ['a\u{131}da', PATTERN],
      ['a\u{17f}da', PATTERN],
      ['ada lovelace', PATTERN],
      ['ada@example.com', PATTERN],
      ['ada/../root', PATTERN],
      ['ada%00', PATTERN],
      ['ada\nroot', PATTERN],
      ['ada\\', PATTERN],
      ["ada'--", PATTERN],
      ['<ada>', PATTERN],
      ['\x24{ada}', PATTERN],
      ['ada;ls', PATTERN],
      ['\u{1f600}\u{1f600}\u{1f600}', PATTERN],
      ['', '422 body/username minLength'],
      ['ad', '422 body/username minLength'],
      ['   a   ', '422 body/username minLength'],
      ['a'.repeat(33), '422 body/username maxLength'],
      ['ada\0', '422 body/username characters'],
      ['me', '422 body/username minLength'],
      ['__proto__', '201'],
      ['constructor', '201'],
      ['null', '201'],
      ['..-', '201'],
    ] as const
  ).map(([username, verdict]): Attack => [`register as ${name(username)}`, registration({ username }), verdict])

  const lock = '\u{1f512}'
  const passwords: readonly Attack[] = (
    [
      ['', '422 body/password minLength'],
      ['xK7#pQ2', '422 body/password minLength'],
      [lock.repeat(7), '422 body/password minLength'],
      ['e\u{301}'.repeat(3), '422 body/password minLength'],
      ['x'.repeat(257), '422 body/password maxLength'],
      [lock.repeat(257), '422 body/password maxLength'],
      ['x'.repeat(250_000), '422 body/password maxLength'],
      ['with a NUL \0', '422 body/password characters'],
      ['half an emoji \ud83d', '422 body/password characters'],
      ['xK7#pQ2z', '201'],
      [lock.repeat(8), '201'],
      [lock.repeat(256), '201'],
      [` ${lock} spaces around `, '201'],
      ['line\r\nfeeds and \t tabs', '201'],
      ["'; drop table users; --", '201'],
      ['%00%0a%25 percent', '201'],
      ['\u{fb01}\u{2126} compatible \u{1d41a}', '201'],
      ['\u{301}'.repeat(256), '201'],
    ] as const
  ).map(([password, verdict]): Attack => [`register with the password ${name(password)}`, registration({ password }), verdict])

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

  for (const [area, attacks] of Object.entries({ assignments, emails, usernames, passwords, wrong, grants, scopes })) {
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

  t.test('nobody has become an admin, and nobody who was refused is there', async (t) => {
    const users = await context.db.selectFrom('users').select(['id', 'role', 'email_verified_at']).execute()
    const registered = [...assignments, ...emails, ...usernames, ...passwords].filter(([, , verdict]) => verdict === '201').length
    t.equal(users.length, 3 + registered)
    t.same(
      users.filter(({ role }) => role === 'admin').map(({ id }) => id),
      [root.id],
    )
    t.same(
      users.filter(({ email_verified_at }) => email_verified_at !== null),
      [],
    )
    t.equal((await as(ada)('getMe', { expect: 200 })).body.role, 'user')
  })

  expectNoDefects(t, logged)
})
