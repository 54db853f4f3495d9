import { randomUUID } from 'node:crypto'
import t from 'tap'
import { PASSWORD, type Person } from '../support/app.ts'
import { sessionIdOf, startInstances } from '../support/instances.ts'

type Tokens = Readonly<{ accessToken: string; refreshToken: string }>

t.test('ending sessions', async (t) => {
  const [a, b] = await startInstances(t)
  const { as, register } = a
  const logIn = async ({ username }: Person) => (await as()('login', { body: { username, password: PASSWORD }, expect: 200 })).body
  const narrowed = async ({ username }: Person, scope: string) => {
    const body = { grant_type: 'password' as const, username, password: PASSWORD, scope }
    return { accessToken: (await as()('createToken', { body, expect: 200 })).body.access_token }
  }
  /** Has both instances remember a session. */
  const use = async (session: Tokens) => {
    for (const instance of [a, b]) await instance.as(session)('getMe', { expect: 200 })
  }
  const isDead = async ({ accessToken, refreshToken }: Tokens) => {
    const answers = []
    for (const instance of [b, a]) {
      answers.push((await instance.as({ accessToken })('getMe')).status, (await instance.as()('refresh', { body: { refreshToken } })).status)
    }
    return answers.every((status) => status === 401)
  }
  const events = (person: Person, action: string) =>
    a.context.db.selectFrom('audit_events').selectAll().where('user_id', '=', person.id).where('action', '=', action).execute()

  t.test('revokeSession: 204, and its tokens are dead on both instances; others go on', async (t) => {
    const ada = await register()
    const [lost, other] = [await logIn(ada), await logIn(ada)]
    for (const session of [ada, lost, other]) await use(session)
    const { headers, text } = await as(ada)('revokeSession', { params: { sessionId: sessionIdOf(lost) }, expect: 204 })
    t.equal(text, '')
    t.equal(headers.get('cache-control'), 'no-store')
    t.ok(await isDead(lost))
    for (const session of [ada, other]) await use(session)
    t.match(await events(ada, 'session.revoked'), [{ actor_id: ada.id, session_id: sessionIdOf(ada), operation: 'revokeSession' }])
  })

  t.test('revokeSession: 204 for the current one is logging out', async (t) => {
    const ada = await register()
    await use(ada)
    await as(ada)('revokeSession', { params: { sessionId: sessionIdOf(ada) }, expect: 204 })
    t.ok(await isDead(ada))
    t.equal((await as(ada)('listSessions')).status, 401)
    await use(await logIn(ada))
  })

  t.test("revokeSession: 404 for an unknown, an ended and a stranger's session, which goes on", async (t) => {
    const [ada, eve] = [await register(), await register()]
    const ended = await logIn(ada)
    await as(ended)('logout', { expect: 204 })
    for (const sessionId of [randomUUID(), sessionIdOf(ended), sessionIdOf(eve), ada.id]) {
      t.match(await as(ada)('revokeSession', { params: { sessionId } }), { status: 404, body: { code: 'NOT_FOUND' } })
    }
    await use(eve)
    t.same(await events(eve, 'session.revoked'), [])
    t.equal((await events(ada, 'session.revoked')).length, 1, 'that of the logout')
    t.match(await as(ada)('revokeSession', { params: { sessionId: 'mine' } }), { status: 422, body: { errors: [{ path: '/sessionId' }] } })
  })

  t.test('revokeSession: 204 to one of many at once, 404 to the others', async (t) => {
    const ada = await register()
    const lost = await logIn(ada)
    const request = { params: { sessionId: sessionIdOf(lost) } }
    const statuses = (await Promise.all(Array.from({ length: 10 }, (_, n) => (n % 2 ? a : b).as(ada)('revokeSession', request)))).map(
      ({ status }) => status,
    )
    t.same(statuses.toSorted(), [204, ...Array(9).fill(404)])
  })

  t.test('revokeOtherSessions: 204, the current one goes on and all others are dead on both instances', async (t) => {
    const [ada, eve] = [await register(), await register()]
    const [one, two] = [await logIn(ada), await logIn(ada)]
    for (const session of [ada, one, two, eve]) await use(session)
    await as(one)('revokeOtherSessions', { expect: 204 })
    for (const session of [ada, two]) t.ok(await isDead(session))
    await use(one)
    await use(eve)
    t.same(
      (await as(one)('listSessions', { expect: 200 })).body.items.map(({ id }) => id),
      [sessionIdOf(one)],
    )
    t.equal((await as()('refresh', { body: { refreshToken: one.refreshToken } })).status, 200)
    t.match(await events(ada, 'sessions.revoked'), [{ actor_id: ada.id, session_id: sessionIdOf(one), operation: 'revokeOtherSessions' }])
  })

  t.test('revokeOtherSessions: 204 also where there are none', async (t) => {
    const ada = await register()
    t.equal((await as(ada)('revokeOtherSessions')).status, 204)
    await use(ada)
  })

  t.test('revokeOtherSessions: of two who end each other at most one goes on, in 20 rounds', async (t) => {
    for (let round = 0; round < 20; round++) {
      const ada = await register()
      const other = await logIn(ada)
      const statuses = (await Promise.all([a.as(ada)('revokeOtherSessions'), b.as(other)('revokeOtherSessions')])).map(({ status }) => status)
      t.ok(
        statuses.every((status) => status === 204 || status === 401),
        statuses.join(),
      )
      t.ok(statuses.includes(204))
      const alive = (await Promise.all([ada, other].map((session) => b.as(session)('getMe')))).filter(({ status }) => status === 200)
      t.ok(alive.length <= 1)
    }
  })

  t.test('403 INSUFFICIENT_SCOPE to a session that may only read the account', async (t) => {
    const ada = await register()
    const narrow = await narrowed(ada, 'account:read')
    for (const answer of [
      await as(narrow)('revokeSession', { params: { sessionId: sessionIdOf(ada) } }),
      await as(narrow)('revokeSession', { params: { sessionId: sessionIdOf(narrow) } }),
      await as(narrow)('revokeOtherSessions'),
    ]) {
      t.match(answer, { status: 403, body: { code: 'INSUFFICIENT_SCOPE' } })
      t.equal(answer.headers.get('www-authenticate'), 'Bearer realm="docket", error="insufficient_scope", scope="account:write"')
    }
    await use(ada)
    t.equal((await as(await narrowed(ada, 'account:write'))('revokeSession', { params: { sessionId: sessionIdOf(ada) } })).status, 204)
  })

  t.test('listing sessions on both instances while they are used and end: never a 5xx', async (t) => {
    const ada = await register()
    const sessions = [...(await Promise.all(Array.from({ length: 12 }, () => logIn(ada))))]
    for (let round = 0; round < 15; round++) {
      const answers = await Promise.all([
        ...sessions.map((session, n) => (n % 2 ? a : b).as(session)('listSessions')),
        ...sessions.toReversed().map((session, n) => (n % 2 ? a : b).as(session)('listSessions')),
        ...(round % 5 === 4 ? [a.as(ada)('revokeOtherSessions')] : []),
      ])
      t.same(
        answers.filter(({ status }) => status >= 500).map(({ text }) => text),
        [],
      )
      if (round % 5 === 4) sessions.splice(0, sessions.length, ...(await Promise.all(Array.from({ length: 12 }, () => logIn(ada)))))
    }
  })
})
