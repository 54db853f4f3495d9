import t from 'tap'
import { PASSWORD, startApp } from '../support/app.ts'

const LABEL = 'd'.repeat(63)
/** An address of 254 characters, the longest there is (RFC 5321 §4.5.3.1). */
const LONGEST_EMAIL = `${'l'.repeat(64)}@${LABEL}.${LABEL}.${'d'.repeat(57)}.com`

t.test('register', async (t) => {
  const { as, context } = await startApp(t)
  let count = 0
  const fresh = () => {
    count += 1
    return { email: `somebody-${count}@example.com`, username: `somebody-${count}`, password: PASSWORD }
  }
  const register = (changes: Record<string, unknown>) => as()('register', { body: { ...fresh(), ...changes } as never })

  t.test('201: a user, an inbox and a session', async (t) => {
    const { body, headers } = await as()('register', {
      body: { email: 'Ada@Example.com', username: 'Ada.Lovelace_1815-', password: PASSWORD },
      expect: 201,
    })
    t.match(body, {
      user: { email: 'Ada@Example.com', emailVerified: false, username: 'Ada.Lovelace_1815-', role: 'user', timeZone: 'UTC' },
      tokenType: 'Bearer',
      expiresIn: 900,
      scope: 'account:read account:write tasks:read tasks:write webhooks:write',
    })
    t.equal(body.user.createdAt, body.user.updatedAt)
    t.equal(headers.get('location'), '/api/v1/users/me')
    t.equal(headers.get('cache-control'), 'no-store')
    t.same((await as(body)('getMe', { expect: 200 })).body, body.user)
    const { body: lists } = await as(body)('listLists', { expect: 200 })
    t.same(
      lists.items.map(({ inbox, openTasks }) => ({ inbox, openTasks })),
      [{ inbox: true, openTasks: 0 }],
    )
  })

  t.test('409: an address or a username that is taken, in any case', async (t) => {
    const { email, username } = fresh()
    const swapped = { email: email.toUpperCase(), username: username.toUpperCase() }
    await as()('register', { body: { email, username, password: PASSWORD }, expect: 201 })
    for (const taken of [email, swapped.email]) {
      const { status, body } = await register({ email: taken })
      t.match({ status, body }, { status: 409, body: { code: 'EMAIL_TAKEN' } }, taken)
    }
    for (const taken of [username, swapped.username]) {
      const { status, body } = await register({ username: taken })
      t.match({ status, body }, { status: 409, body: { code: 'USERNAME_TAKEN' } }, taken)
    }
    t.equal((await register(swapped)).status, 409)
  })

  t.test('409: leaves nothing behind, so that the other half stays free', async (t) => {
    const taken = fresh()
    const free = fresh()
    t.equal((await register(taken)).status, 201)
    t.equal((await register({ ...free, email: taken.email })).status, 409)
    t.equal((await register({ ...free, username: taken.username })).status, 409)
    t.equal((await register(free)).status, 201)
  })

  t.test('201: e-mail addresses', async (t) => {
    const addresses = [
      'a@b.co',
      'first.last+tag@sub.example.com',
      "o'brien@example.com",
      '!#$%&*/=?^`{|}~-@example.com',
      'x@xn--bcher-kva.example',
      '1@2.de',
      LONGEST_EMAIL,
    ]
    for (const email of addresses) t.equal((await register({ email })).status, 201, email)
    const { body } = await as()('register', { body: { ...fresh(), email: '  trimmed@example.com\t' }, expect: 201 })
    t.equal(body.user.email, 'trimmed@example.com')
  })

  t.test('422: what is no e-mail address', async (t) => {
    const texts = [
      '',
      'plain',
      '@example.com',
      'a@',
      'a@localhost',
      'a b@example.com',
      'a@exa mple.com',
      'a..b@example.com',
      '.a@example.com',
      'a.@example.com',
      'a@-example.com',
      'a@example-.com',
      'a@example..com',
      'a@example.com.',
      'a@b@example.com',
      'a@example.com,b@example.com',
      '"a b"@example.com',
      'Ada <a@example.com>',
      'a@[127.0.0.1]',
      'ä@example.com',
      'a@exämple.com',
      'a@example.com\r\nBcc: b@example.com',
      `${'l'.repeat(65)}@example.com`,
      `a@${'d'.repeat(64)}.com`,
      LONGEST_EMAIL.replace('.com', '.info'),
      'a\u0000@example.com',
    ]
    for (const email of texts) {
      const { status, body } = await register({ email })
      t.match({ status, body }, { status: 422, body: { code: 'VALIDATION_FAILED', errors: [{ in: 'body', path: '/email' }] } }, JSON.stringify(email))
    }
  })

  t.test('201: usernames of 3 to 32 characters, trimmed', async (t) => {
    for (const username of ['abc', 'a-1', '...', '___', 'u'.repeat(32), '0123456789']) t.equal((await register({ username })).status, 201, username)
    const { body } = await as()('register', { body: { ...fresh(), username: ' \t trimmed\n' }, expect: 201 })
    t.equal(body.user.username, 'trimmed')
  })

  t.test('422: what is no username', async (t) => {
    for (const username of ['', 'ab', ' ab ', 'u'.repeat(33), 'a b c', 'a@b', 'a/b', 'ädä', 'abc\n\nabc', 'ab\u0000', '<b>', 'аda']) {
      const { status, body } = await register({ username })
      t.match({ status, body }, { status: 422, body: { errors: [{ in: 'body', path: '/username' }] } }, JSON.stringify(username))
    }
  })

  t.test('422: a field that is missing, of another type, or none of ours', async (t) => {
    for (const field of ['email', 'username', 'password']) {
      for (const value of [undefined, null, 12345678, true, ['a@example.com'], {}]) {
        const { status, body } = await register({ [field]: value })
        t.match({ status, body }, { status: 422, body: { errors: [{ in: 'body', path: `/${field}` }] } }, `${field}: ${JSON.stringify(value)}`)
      }
    }
    for (const extra of ['role', 'id', 'emailVerified', '__proto__', 'constructor']) {
      const { status, body } = await register(JSON.parse(`{ "${extra}": "admin" }`))
      t.match({ status, body }, { status: 422, body: { errors: [{ path: `/${extra}` }] } }, extra)
    }
    for (const body of [null, [], 'text', 1]) t.equal((await as()('register', { body: body as never })).status, 422, JSON.stringify(body))
  })

  t.test('nobody who was refused is stored', async (t) => {
    const { users } = await context.db
      .selectFrom('users')
      .select((eb) => eb.fn.countAll<string>().as('users'))
      .where('username', 'not like', 'somebody-%')
      .executeTakeFirstOrThrow()
    t.equal(Number(users), 8, 'Ada, six usernames and the trimmed one')
  })
})
