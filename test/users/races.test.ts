import t from 'tap'
import { PASSWORD, startApp } from '../support/app.ts'

const AT_ONCE = 20

/** The text in one of many mixtures of upper and lower case. */
const mixed = (text: string, mixture: number) =>
  [...text].map((letter, index) => ((mixture >> (index % 5)) & 1 ? letter.toUpperCase() : letter)).join('')

t.test('many want the same name at once', async (t) => {
  const { as, context, register } = await startApp(t, { DATABASE_POOL_SIZE: '20' })

  for (const [what, taken, bodyOf] of [
    ['username', 'USERNAME_TAKEN', (n: number) => ({ username: mixed('grace', n), email: `grace-${n}@example.com` })],
    ['e-mail address', 'EMAIL_TAKEN', (n: number) => ({ username: `alan-${n}`, email: mixed('alan@example.com', n) })],
    [
      'username and e-mail address',
      /^(EMAIL|USERNAME)_TAKEN$/,
      (n: number) => ({ username: mixed('edsger', n), email: mixed('edsger@example.com', n) }),
    ],
  ] as const) {
    t.test(`register: 201 to one of ${AT_ONCE} with one ${what}, 409 to the others`, async (t) => {
      const answers = await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => as()('register', { body: { ...bodyOf(n), password: PASSWORD } })))
      t.equal(answers.filter(({ status }) => status === 201).length, 1)
      const refused = answers.filter(({ status }) => status === 409)
      t.equal(refused.length, AT_ONCE - 1)
      for (const { body } of refused) t.match(body, { code: taken })
    })
  }

  t.test('three users are there, each with one inbox and one session', async (t) => {
    for (const table of ['users', 'lists', 'sessions'] as const) t.equal((await context.db.selectFrom(table).select('id').execute()).length, 3, table)
  })

  t.test(`updateMe: 200 to one of ${AT_ONCE} who take one username, 409 to the others`, async (t) => {
    const people = await Promise.all(Array.from({ length: AT_ONCE }, () => register()))
    const answers = await Promise.all(people.map((person, n) => as(person)('updateMe', { body: { username: mixed('barbara', n) } })))
    t.equal(answers.filter(({ status }) => status === 200).length, 1)
    const refused = answers.filter(({ status }) => status === 409)
    t.equal(refused.length, AT_ONCE - 1)
    for (const { body } of refused) t.match(body, { code: 'USERNAME_TAKEN' })
  })
})
