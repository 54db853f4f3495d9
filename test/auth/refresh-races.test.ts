import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { PASSWORD, type Person } from '../support/app.ts'
import { startInstances } from '../support/instances.ts'

const ROUNDS = 25

t.test('refreshing on two instances while the session ends', async (t) => {
  const [a, b] = await startInstances(t)
  const root = await a.registerAdmin()
  const logIn = async ({ username }: Person) => (await a.as()('login', { body: { username, password: PASSWORD }, expect: 200 })).body

  for (const [what, end] of [
    ['logout', (session) => a.as(session)('logout', { expect: 204 })],
    [
      'changePassword by another session',
      async (_session, person) =>
        a.as(await logIn(person))('changePassword', { body: { currentPassword: PASSWORD, newPassword: PASSWORD }, expect: 204 }),
    ],
    ['updateUser, which disables', (_session, { id }) => a.as(root)('updateUser', { params: { userId: id }, body: { disabled: true }, expect: 200 })],
    ['deleteUser', (_session, { id }) => a.as(root)('deleteUser', { params: { userId: id }, expect: 204 })],
  ] as const satisfies readonly [string, (session: Readonly<{ accessToken: string }>, person: Person) => Promise<unknown>][]) {
    t.test(`${what}: nothing is alive afterwards, in ${ROUNDS} rounds`, async (t) => {
      let refreshed = 0
      for (let round = 0; round < ROUNDS; round++) {
        const person = await a.register()
        await b.as(person)('getMe', { expect: 200 })
        const refreshing = [a, b, a, b].map(({ as }) => as()('refresh', { body: { refreshToken: person.refreshToken } }))
        // A little later each time, so that the one, the other or neither comes first.
        for (let turn = 0; turn < round % 8; turn++) await setImmediate()
        await end(person, person)
        const sessions = (await Promise.all(refreshing)).flatMap(({ body }) => ('accessToken' in body ? [body] : []))
        refreshed += sessions.length
        for (const { accessToken, refreshToken } of [person, ...sessions]) {
          for (const { as } of [b, a]) {
            t.equal((await as({ accessToken })('getMe')).status, 401)
            t.equal((await as()('refresh', { body: { refreshToken } })).status, 401)
          }
        }
      }
      t.ok(refreshed > 0, `${refreshed} tokens were made in these moments`)
    })
  }
})
