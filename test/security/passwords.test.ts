import t from 'tap'
import { startApp } from '../support/app.ts'
import { type Attack, expectNoDefects, expectVerdicts, requestOf } from './attacks.ts'

const DECOMPOSED = 'e\u0301'
const COMPOSED = '\u00e9'

/** Wherever somebody chooses a password. What counts is what is hashed: the normalised text. */
t.test('new passwords', async (t) => {
  const { url, as, register, logged } = await startApp(t)
  let count = 0
  const registering = (password: unknown) => {
    count += 1
    return requestOf('POST /api/v1/auth/register', [], JSON.stringify({ email: `new-${count}@example.com`, username: `new-${count}`, password }))
  }
  const chosen = new Map<string, string>()
  let current = 'correct horse battery staple'
  const ada = await register()

  const tries: readonly (readonly [what: string, password: unknown, broken: string | undefined])[] = [
    ['7 characters', 'qwbvxyj', 'minLength'],
    ['8 code points that are 4 characters', DECOMPOSED.repeat(4), 'minLength'],
    ['14 code points that are 7 characters', DECOMPOSED.repeat(7), 'minLength'],
    ['21 code points that are 7 syllables', '\u1100\u1161\u11a8'.repeat(7), 'minLength'],
    ['8 of which two become one', 'abcdxyw\u0301', 'minLength'],
    ['16 code points that are 8 characters', DECOMPOSED.repeat(8), undefined],
    ['8 characters that become 16', '\u0958'.repeat(8), undefined],
    ['257 code points that are fewer characters', DECOMPOSED.repeat(128) + COMPOSED, 'maxLength'],
    ['one of the commonest', 'password1', 'common'],
    ['one of the commonest in capitals', 'PASSWORD1', 'common'],
    ['NUL', 'correct horse\0', 'characters'],
    ['half of a pair', 'correct horse \ud83d', 'characters'],
    ['a number', 1234567890, 'type'],
    ['null', null, 'type'],
    ['a list', ['correct horse battery'], 'type'],
  ]

  t.test('register', async (t) => {
    expectVerdicts(
      t,
      url,
      tries.map(([what, password, broken]): Attack => [what, registering(password), broken === undefined ? '201' : `422 body/password ${broken}`]),
    )
  })

  t.test('changePassword', async (t) => {
    for (const [what, newPassword, broken] of tries) {
      await t.test(what, async (t) => {
        const body = JSON.stringify({ currentPassword: current, newPassword })
        const bytes = requestOf('PUT /api/v1/users/me/password', [`Authorization: Bearer ${ada.accessToken}`], body)
        expectVerdicts(t, url, [[what, bytes, broken === undefined ? '204' : `422 body/newPassword ${broken}`]])
        if (broken === undefined) current = String(newPassword)
      })
    }
    chosen.set(ada.username, current)
  })

  t.test('what is typed in another form of the same letters is the same password', async (t) => {
    const username = 'forms-of-letters'
    const body = { username, email: 'forms@example.com', password: DECOMPOSED.repeat(8) }
    await as()('register', { body, expect: 201 })
    t.equal((await as()('login', { body: { username, password: COMPOSED.repeat(8) } })).status, 200)
    t.equal((await as()('login', { body: { username, password: COMPOSED.repeat(7) } })).status, 401)
    for (const [name, password] of chosen) t.equal((await as()('login', { body: { username: name, password } })).status, 200)
  })

  expectNoDefects(t, logged)
})
