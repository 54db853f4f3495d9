import t from 'tap'
import { narrowed } from '../contract/walk.ts'
import { PASSWORD, startApp } from '../support/app.ts'
import { type Attack, expectNoDefects, expectVerdicts, requestOf } from './attacks.ts'

/** Whose session is ended, and by whom. */
t.test('sessions', async (t) => {
  const { url, as, register, registerAdmin, logged } = await startApp(t)
  const [ada, eve, root] = [await register(), await register(), await registerAdmin()]
  const idOf = async (session: { accessToken: string }) => {
    const { body } = await as(session)('listSessions', { query: { limit: 100 }, expect: 200 })
    return body.items.find(({ current }) => current)?.id ?? ''
  }
  const logIn = async ({ username }: { username: string }) => (await as()('login', { body: { username, password: PASSWORD }, expect: 200 })).body
  const ask = (line: string, { accessToken }: { accessToken: string }, headers: readonly string[] = []) =>
    requestOf(line, [`Authorization: Bearer ${accessToken}`, ...headers])
  const end = (id: string, by: { accessToken: string } = ada) => ask(`DELETE /api/v1/sessions/${id}`, by)

  const [over, own, read, write, tasks] = [
    await logIn(ada),
    await logIn(ada),
    { accessToken: await narrowed(as, ada, ['account:read']) },
    { accessToken: await narrowed(as, ada, ['account:write']) },
    { accessToken: await narrowed(as, ada, ['tasks:read', 'tasks:write']) },
  ]
  const [overId, ownId, adasId, evesId] = [await idOf(over), await idOf(own), await idOf(ada), await idOf(eve)]
  await as(over)('logout', { expect: 204 })
  const { body: page } = await as(ada)('listSessions', { query: { limit: 1 }, expect: 200 })
  const { body: rootPage } = await as(root)('listUsers', { query: { limit: 1 }, expect: 200 })

  t.test('revokeSession and listSessions', async (t) => {
    expectVerdicts(t, url, [
      ['the session of another', end(evesId), '404 NOT_FOUND'],
      ['the session of another, by an admin', end(evesId, root), '404 NOT_FOUND'],
      ['a session that has ended', end(overId), '404 NOT_FOUND'],
      ['the id of the user', end(ada.id), '404 NOT_FOUND'],
      ['an own one, with a token that may not write', end(ownId, read), '403 INSUFFICIENT_SCOPE'],
      ['an own one, with a token for tasks', end(ownId, tasks), '403 INSUFFICIENT_SCOPE'],
      ['all others, with a token that may not write', ask('DELETE /api/v1/sessions', read), '403 INSUFFICIENT_SCOPE'],
      ['all others, with a token for tasks', ask('DELETE /api/v1/sessions', tasks), '403 INSUFFICIENT_SCOPE'],
      ['the listing, with a token that may only write', ask('GET /api/v1/sessions', write), '403 INSUFFICIENT_SCOPE'],
      ['by a session that has ended', end(ownId, over), '401 UNAUTHENTICATED'],
      ['a user for whom to end them', ask(`DELETE /api/v1/sessions?userId=${eve.id}`, ada), '422 query/userId additionalProperties'],
      ['sessions of another user', ask(`GET /api/v1/sessions?userId=${eve.id}`, ada), '422 query/userId additionalProperties'],
      ['the id in the query', ask(`DELETE /api/v1/sessions?sessionId=${ownId}`, ada), '422 query/sessionId additionalProperties'],
      ['the cursor of another', ask(`GET /api/v1/sessions?cursor=${page.nextCursor}`, eve), '422 query/cursor cursor'],
      ['the cursor of sessions among API tokens', ask(`GET /api/v1/api-tokens?cursor=${page.nextCursor}`, ada), '422 query/cursor cursor'],
      ['the cursor of users', ask(`GET /api/v1/sessions?cursor=${rootPage.nextCursor}`, ada), '422 query/cursor cursor'],
      ['an id in capitals, which is the same id', end(ownId.toUpperCase()), '204'],
      ['the same again', end(ownId), '404 NOT_FOUND'],
    ] satisfies readonly Attack[])
  })

  t.test('what was not to be ended goes on, and what was ended has', async (t) => {
    t.equal(await idOf(eve), evesId)
    t.equal(await idOf(ada), adasId)
    t.equal((await as(own)('getMe')).status, 401)
    t.equal((await as()('refresh', { body: { refreshToken: own.refreshToken } })).status, 401)
  })

  t.test('revokeSession: the own session, like logging out', async (t) => {
    const session = await logIn(ada)
    await as(session)('revokeSession', { params: { sessionId: await idOf(session) }, expect: 204 })
    t.equal((await as(session)('getMe')).status, 401)
    t.equal((await as()('refresh', { body: { refreshToken: session.refreshToken } })).status, 401)
    t.equal((await as(session)('revokeOtherSessions')).status, 401)
  })

  t.test('revokeOtherSessions: nobody else’s, and the own one stays', async (t) => {
    const session = await logIn(ada)
    await as(session)('revokeOtherSessions', { expect: 204 })
    for (const other of [ada, read, write, tasks]) t.equal((await as(other)('getMe')).status, 401)
    for (const other of [session, eve, root]) t.equal((await as(other)('getMe')).status, 200)
    t.equal((await as(session)('listSessions', { expect: 200 })).body.items.length, 1)
  })

  t.test('what a client says of itself is kept as it is, cut, and believed in nothing', async (t) => {
    const agent = `<script>${'x'.repeat(5000)}`
    const body = JSON.stringify({ username: eve.username, password: PASSWORD })
    const headers = [`User-Agent: ${agent}`, 'X-Forwarded-For: 203.0.113.7', 'Forwarded: for=203.0.113.7', 'X-Real-IP: 203.0.113.7']
    expectVerdicts(t, url, [['a login', requestOf('POST /api/v1/auth/login', headers, body), '200']])
    t.test('its session', async (t) => {
      const { items } = (await as(eve)('listSessions', { expect: 200 })).body
      t.equal(items.at(-1)?.userAgent, agent.slice(0, 255))
      t.match(items.at(-1)?.address, /127\.0\.0\.1$/)
    })
  })

  expectNoDefects(t, logged)
})
