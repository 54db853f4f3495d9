import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { PASSWORD, type Person } from '../support/app.ts'
import { sessionIdOf, startInstances } from '../support/instances.ts'

const ROUNDS = 30
const NEW_PASSWORD = 'tr0ub4dor and three more'
const change = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }

t.test('changePassword', async (t) => {
  const [a, b] = await startInstances(t, { DATABASE_POOL_SIZE: '10', LOGIN_FREE_FAILURES: '1000' })
  const { as, context, register } = a
  const logIn = async ({ username }: Person, password = PASSWORD) => (await as()('login', { body: { username, password }, expect: 200 })).body
  const canLogIn = async ({ username }: Person, password: string) => (await as()('login', { body: { username, password } })).status === 200
  const statuses = async (session: { accessToken: string }) => [(await b.as(session)('getMe')).status, (await a.as(session)('getMe')).status]
  const events = (person: Person, prefix: string) =>
    context.db.selectFrom('audit_events').selectAll().where('user_id', '=', person.id).where('action', 'like', `${prefix}%`).orderBy('id').execute()

  t.test('204: the new password logs in, the old one does not; nobody else is touched', async (t) => {
    const [ada, eve] = [await register(), await register()]
    const { headers, text } = await as(ada)('changePassword', { body: change, expect: 204 })
    t.equal(text, '')
    t.equal(headers.get('cache-control'), 'no-store')
    t.equal(await canLogIn(ada, PASSWORD), false)
    t.equal(await canLogIn(ada, NEW_PASSWORD), true)
    const grant = { grant_type: 'password', username: ada.email } as const
    t.equal((await as()('createToken', { body: { ...grant, password: PASSWORD } })).status, 401)
    t.equal((await as()('createToken', { body: { ...grant, password: NEW_PASSWORD } })).status, 200)
    t.equal(await canLogIn(eve, PASSWORD), true)
    t.same(await statuses(eve), [200, 200])
  })

  t.test('204: this session goes on, all others end on both instances', async (t) => {
    const ada = await register()
    const [here, other] = [await logIn(ada), await logIn(ada)]
    for (const session of [ada, here, other]) t.same(await statuses(session), [200, 200])
    await as(here)('changePassword', { body: change, expect: 204 })
    t.same(await statuses(here), [200, 200])
    t.equal((await as()('refresh', { body: { refreshToken: here.refreshToken } })).status, 200)
    for (const session of [ada, other]) {
      t.same(await statuses(session), [401, 401])
      t.equal((await b.as()('refresh', { body: { refreshToken: session.refreshToken } })).status, 401)
    }
    t.match(await events(ada, 'password'), [
      { action: 'password.changed', operation: 'changePassword', actor_id: ada.id, session_id: sessionIdOf(here), changed_fields: [] },
    ])
  })

  t.test('422 naming /currentPassword with a wrong one: nothing changes, and it is kept in the audit log', async (t) => {
    const ada = await register()
    const other = await logIn(ada)
    for (const currentPassword of [NEW_PASSWORD, PASSWORD.toUpperCase(), ` ${PASSWORD}`, 'x']) {
      const { status, body } = await as(ada)('changePassword', { body: { currentPassword, newPassword: NEW_PASSWORD } })
      t.match({ status, body }, { status: 422, body: { code: 'VALIDATION_FAILED', errors: [{ in: 'body', path: '/currentPassword' }] } })
    }
    t.equal(await canLogIn(ada, PASSWORD), true)
    t.same(await statuses(other), [200, 200])
    const refused = { action: 'password.refused', operation: 'changePassword', actor_id: ada.id, session_id: sessionIdOf(ada) }
    t.match(await events(ada, 'password'), [refused, refused, refused, refused])
    t.equal((await events(ada, 'password')).length, 4)
  })

  t.test('422 naming /newPassword: a common one, the own name or address, one that is too short or too long', async (t) => {
    const ada = await register('Ada-Lovelace')
    for (const [newPassword, code] of [
      ['password1', 'common'],
      ['PASSWORD1', 'common'],
      ['Iloveyou1', 'common'],
      ['ada-lovelace', 'own'],
      ['ADA-LOVELACE', 'own'],
      ['Ada-Lovelace@example.com', 'own'],
      ['ada-lovelace@EXAMPLE.com', 'own'],
      ['1234567', undefined],
      ['x'.repeat(257), undefined],
      ['', undefined],
    ] as const) {
      const { status, body } = await as(ada)('changePassword', { body: { currentPassword: PASSWORD, newPassword } })
      t.match(
        { status, body },
        { status: 422, body: { errors: [{ in: 'body', path: '/newPassword', ...(code && { code }) }] } },
        newPassword.slice(0, 30),
      )
    }
    t.equal(await canLogIn(ada, PASSWORD), true)
    await as(ada)('changePassword', { body: { currentPassword: PASSWORD, newPassword: 'Ada-Lovelace, Countess' }, expect: 204 })
  })

  t.test('204: composed and decomposed characters are the same password, in both fields', async (t) => {
    const ada = await register()
    const composed = 'Zo\u00eb\u2019s caf\u00e9 \u1e69'
    const decomposed = composed.normalize('NFD')
    await as(ada)('changePassword', { body: { currentPassword: PASSWORD, newPassword: decomposed }, expect: 204 })
    for (const password of [composed, decomposed]) t.equal(await canLogIn(ada, password), true)
    await as(ada)('changePassword', { body: { currentPassword: composed, newPassword: NEW_PASSWORD }, expect: 204 })
    t.equal(await canLogIn(ada, NEW_PASSWORD), true)
  })

  t.test('204 to one of many at once, 422 to the others, and the password of the one is it', async (t) => {
    const ada = await register()
    const passwords = Array.from({ length: 8 }, (_, n) => `${NEW_PASSWORD} ${n}`)
    const answers = await Promise.all(
      passwords.map((newPassword, n) => (n % 2 ? a : b).as(ada)('changePassword', { body: { currentPassword: PASSWORD, newPassword } })),
    )
    t.equal(answers.filter(({ status }) => status === 204).length, 1)
    t.equal(answers.filter(({ status }) => status === 422).length, 7)
    const winner = passwords[answers.findIndex(({ status }) => status === 204)] ?? ''
    for (const password of passwords) t.equal(await canLogIn(ada, password), password === winner)
  })

  t.test('403 INSUFFICIENT_SCOPE without account:write, 401 to nobody', async (t) => {
    const ada = await register()
    const grant = { grant_type: 'password', username: ada.username, password: PASSWORD, scope: 'account:read' } as const
    const { body } = await as()('createToken', { body: grant, expect: 200 })
    t.match(await as({ accessToken: body.access_token })('changePassword', { body: change }), { status: 403, body: { code: 'INSUFFICIENT_SCOPE' } })
    t.equal((await as()('changePassword', { body: change })).status, 401)
    t.equal(await canLogIn(ada, PASSWORD), true)
  })

  t.test(`a login with the old password that is under way does not outlive it, in ${ROUNDS} rounds`, async (t) => {
    let loggedIn = 0
    for (let round = 0; round < ROUNDS; round++) {
      const ada = await register()
      const logins = [a, b, a, b].map((instance) => instance.as()('login', { body: { username: ada.username, password: PASSWORD } }))
      // A little later each time, so that the one, the other or neither comes first.
      for (let turn = 0; turn < round % 10; turn++) await setImmediate()
      await (round % 2 ? a : b).as(ada)('changePassword', { body: change, expect: 204 })
      for (const { status, body } of await Promise.all(logins)) {
        t.ok(status === 200 || status === 401)
        if (!('accessToken' in body)) continue
        loggedIn += 1
        t.same(await statuses(body), [401, 401])
        t.equal((await as()('refresh', { body: { refreshToken: body.refreshToken } })).status, 401)
      }
      t.same(await statuses(ada), [200, 200])
    }
    t.ok(loggedIn > 0, `${loggedIn} logins came through in these moments`)
  })
})
