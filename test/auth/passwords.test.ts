import t from 'tap'
import { Passwords } from '../../src/auth/passwords.ts'
import { updatePasswordHash } from '../../src/users/queries.ts'
import { PASSWORD, startApp } from '../support/app.ts'

t.test('passwords', async (t) => {
  const { as, context, register } = await startApp(t, { ARGON2_MEMORY_KIB: '2048', ARGON2_ITERATIONS: '2', LOGIN_FREE_FAILURES: '100' })
  const { memoryKibibytes, iterations, parallelism } = context.config.auth.passwordHash
  let count = 0
  const signUp = async (password: string) => {
    count += 1
    const username = `somebody-${count}`
    const { status, body } = await as()('register', { body: { email: `${username}@example.com`, username, password } })
    return { username, status, body }
  }
  const logIn = async (username: string, password: string) => (await as()('login', { body: { username, password } })).status
  const getToken = async (username: string, password: string) =>
    (await as()('createToken', { body: { grant_type: 'password', username, password } })).status
  const hashOf = async (username: string) => {
    const { password_hash } = await context.db.selectFrom('users').select('password_hash').where('username', '=', username).executeTakeFirstOrThrow()
    return password_hash
  }

  t.test('register: 201 with 8 to 256 characters of any kind, and both ways of logging in take it', async (t) => {
    for (const password of [
      'a'.repeat(7).concat('b'),
      'a'.repeat(256),
      '        ',
      '\u{1F512}'.repeat(8),
      '\u{1F512}'.repeat(256),
      ' leading and trailing ',
      '\ttab and newline\r\n',
      'a+b&c=d%20e#f;g',
      '"quoted" \\ \'and\' <escaped>',
      '👩‍👩‍👧‍👦 family of code points',
      'пароль-密码-パスワード',
    ]) {
      const { username, status } = await signUp(password)
      t.equal(status, 201, password)
      t.equal(await logIn(username, password), 200, password)
      t.equal(await getToken(username, password), 200, password)
    }
  })

  t.test('register: 422 with 7 or 257 characters', async (t) => {
    for (const password of [
      '',
      'a'.repeat(7),
      '\u{1F512}'.repeat(7),
      'a'.repeat(257),
      '\u{1F512}'.repeat(257),
      'with a NUL \u0000',
      'half \ud83d an emoji',
    ]) {
      const { status, body } = await signUp(password)
      t.match({ status, body }, { status: 422, body: { errors: [{ in: 'body', path: '/password' }] } }, JSON.stringify(password.slice(0, 20)))
    }
  })

  t.test('register: 422 with one of the commonest passwords, in any case, and 201 with one that merely looks like one', async (t) => {
    for (const password of ['password', 'PASSWORD', 'Password1', '12345678', 'iloveyou1', 'ILoveYou1', 'qwertyuiop', 'QwertyUiop', 'football']) {
      const { status, body } = await signUp(password)
      t.match({ status, body }, { status: 422, body: { errors: [{ in: 'body', path: '/password', code: 'common' }] } }, password)
    }
    for (const password of ['password of mine', ' password', 'passw\u00f6rd', '12345678 and more', 'x-football-x']) {
      t.equal((await signUp(password)).status, 201, password)
    }
  })

  t.test('register: 422 with the own username, address or what stands before its @, in any case', async (t) => {
    const own = { username: 'Grace-Hopper', email: 'Rear.Admiral@example.com' }
    for (const password of ['Grace-Hopper', 'grace-hopper', 'GRACE-HOPPER', 'rear.admiral@example.com', 'REAR.ADMIRAL@EXAMPLE.COM', 'rear.admiral']) {
      const { status, body } = await as()('register', { body: { ...own, password } })
      t.match({ status, body }, { status: 422, body: { errors: [{ in: 'body', path: '/password', code: 'own' }] } }, password)
    }
    for (const password of ['Grace-Hopper!', 'admiral@example.com', 'grace.hopper']) {
      const username = `g-${password.length}`
      const answer = await as()('register', { body: { username, email: `${username}@example.com`, password } })
      t.equal(answer.status, 201, password)
    }
    t.equal((await as()('register', { body: { ...own, password: 'Grace-Hopper, Rear Admiral' } })).status, 201)
  })

  t.test('login: a common password that somebody has from before is still theirs', async (t) => {
    const { username, id } = await register()
    const password_hash = await new Passwords(context.config.auth.passwordHash).hash('password1')
    await context.db.updateTable('users').set({ password_hash }).where('id', '=', id).execute()
    t.equal(await logIn(username, 'password1'), 200)
  })

  t.test('login: 401 unless every character is right', async (t) => {
    const password = `  ${'x'.repeat(253)}Z`
    const { username } = await signUp(password)
    t.equal(await logIn(username, password), 200)
    for (const wrong of [
      password.trim(),
      password.trimStart(),
      password.toLowerCase(),
      `${password.slice(0, -1)}Y`,
      password.slice(0, 72),
      ` ${password.slice(1, -1)} `,
    ]) {
      t.equal(await logIn(username, wrong), 401, wrong)
      t.equal(await getToken(username, wrong), 401, wrong)
    }
  })

  t.test('login: 200 with composed and decomposed characters alike, 401 with merely similar ones', async (t) => {
    const composed = 'Zo\u00eb\u2019s caf\u00e9 \u1e69'
    const decomposed = composed.normalize('NFD')
    t.not(decomposed, composed)
    for (const password of [composed, decomposed]) {
      const { username } = await signUp(password)
      for (const typed of [composed, decomposed, 'Zoe\u0308\u2019s cafe\u0301 s\u0307\u0323']) {
        t.equal(await logIn(username, typed), 200)
        t.equal(await getToken(username, typed), 200)
      }
    }
    const { username } = await signUp('\ufb01sh and chips')
    t.equal(await logIn(username, 'fish and chips'), 401)
  })

  t.test('login: 422 with no password or one that nobody can have', async (t) => {
    const { username } = await register()
    for (const password of ['', 'a'.repeat(257)]) t.equal(await logIn(username, password), 422)
    t.equal(await getToken(username, 'a'.repeat(257)), 400)
  })

  t.test('hashes are argon2id with the parameters of the settings, and each has a salt of its own', async (t) => {
    const [one, two] = [await signUp(PASSWORD), await signUp(PASSWORD)]
    const hashes = [await hashOf(one.username), await hashOf(two.username)]
    for (const hash of hashes) {
      t.match(hash, /^\$argon2id\$v=19\$[^$]+\$[A-Za-z0-9+/]{22,}\$[A-Za-z0-9+/]{43}$/)
      t.same(parametersOf(hash), { m: memoryKibibytes, t: iterations, p: parallelism })
    }
    t.equal(new Set(hashes).size, 2)
  })

  t.test('login and createToken: replace a hash of lower parameters, once and only with the right password', async (t) => {
    for (const [weaker, enter] of [
      [{ memoryKibibytes: memoryKibibytes / 2 }, logIn],
      [{ iterations: iterations - 1 }, getToken],
    ] as const) {
      const { username, id } = await register()
      const old = await new Passwords({ ...context.config.auth.passwordHash, ...weaker }).hash(PASSWORD)
      await context.db.updateTable('users').set({ password_hash: old }).where('id', '=', id).execute()

      t.equal(await enter(username, 'not the password'), 401)
      t.equal(await hashOf(username), old)
      t.equal(await enter(username, PASSWORD), 200)
      const replaced = await hashOf(username)
      t.same(parametersOf(replaced), { m: memoryKibibytes, t: iterations, p: parallelism })
      t.equal(await enter(username, PASSWORD), 200)
      t.equal(await hashOf(username), replaced)
    }
  })

  t.test('a new hash of the old password never overwrites one that was changed meanwhile', async (t) => {
    const { username, id } = await register()
    const old = await hashOf(username)
    await context.db.updateTable('users').set({ password_hash: 'changed' }).where('id', '=', id).execute()
    await updatePasswordHash(context.db, id, old, 'the old one anew')
    t.equal(await hashOf(username), 'changed')
    await updatePasswordHash(context.db, id, 'changed', 'changed anew')
    t.equal(await hashOf(username), 'changed anew')
  })
})

/** The costs in a hash: `$argon2id$v=19$m=19456,p=1,t=2$…`. */
function parametersOf(hash: string): Record<string, number> {
  const [, , , parameters = ''] = hash.split('$')
  return Object.fromEntries(
    parameters.split(',').map((parameter) => {
      const [name, value] = parameter.split('=')
      return [name, Number(value)]
    }),
  )
}
