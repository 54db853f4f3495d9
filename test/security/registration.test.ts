import t from 'tap'
import { PASSWORD, startApp } from '../support/app.ts'
import { type Attack, expectNoDefects, expectVerdicts, requestOf } from './attacks.ts'

const MALFORMED = '400 MALFORMED_REQUEST'

/** Who may become a user, and what nobody can make of themselves by it. */
t.test('register', async (t) => {
  const { url, as, context, register, registerAdmin, logged } = await startApp(t)
  const [ada, root] = [await register('ada'), await registerAdmin()]

  const post = (body: unknown) => requestOf('POST /api/v1/auth/register', [], typeof body === 'string' ? body : JSON.stringify(body))
  let count = 0
  const registration = (changes: Record<string, unknown>) => {
    count += 1
    return post({ email: `new-${count}@example.com`, username: `new-${count}`, password: PASSWORD, ...changes })
  }
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
    [
      'register with a user inside',
      post({ user: { email: 'a@example.com', username: 'abc', password: PASSWORD, role: 'admin' } }),
      '422 body/email required',
    ],
    ['register with a list of users', post([{ email: 'a@example.com', username: 'abc', password: PASSWORD }]), '422 body type'],
    [
      'register with __proto__',
      post(`{"email":"p@example.com","username":"proto","password":"${PASSWORD}","__proto__":{"role":"admin"}}`),
      '422 body/__proto__ additionalProperties',
    ],
    [
      'register with the role twice removed',
      post(`{"email":"p@example.com","username":"proto","password":"${PASSWORD}","username":"root"}`),
      MALFORMED,
    ],
    ...['email', 'username', 'password'].flatMap((field) =>
      types.map((value): Attack => [`register with ${field}: ${name(value)}`, registration({ [field]: value }), `422 body/${field} type`]),
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

  for (const [area, attacks] of Object.entries({ assignments, emails, usernames, passwords })) {
    t.test(area, async (t) => expectVerdicts(t, url, attacks))
  }

  t.test('nobody has become an admin, and nobody who was refused is there', async (t) => {
    const users = await context.db.selectFrom('users').select(['id', 'role', 'email_verified_at']).execute()
    const registered = [...assignments, ...emails, ...usernames, ...passwords].filter(([, , verdict]) => verdict === '201').length
    t.equal(users.length, 2 + registered)
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
