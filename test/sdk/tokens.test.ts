import t from 'tap'
import type { DocketOptions, Tokens } from '../../sdk/src/index.ts'
import { PASSWORD, type Person, startApp } from '../support/app.ts'
import { type Fetch, problem, recording } from './fetches.ts'
import { installSdk } from './installed.ts'

const AT_ONCE = 20
const TOKEN = 'POST /auth/token'

t.test('tokens', async (t) => {
  const { sdk } = await installSdk(t)
  const { createDocket, DocketError } = sdk
  const { url, register, as, context } = await startApp(t)

  /** In the form of a token, but signed by nobody: the server refuses it. */
  const refused = (person: Person) => person.accessToken.replace(/[^.]+$/, 'c2lnbmVkIGJ5IG5vYm9keSwgYXQgbm8gdGltZSwgYW55d2hlcmU')
  /** A client with a record of its requests and of the tokens that it was told to keep. */
  const watched = (options: Partial<DocketOptions>, fetch?: Fetch) => {
    const wire = recording(fetch)
    const kept: (Tokens | undefined)[] = []
    const onTokens = (tokens: Tokens | undefined) => void kept.push(tokens)
    const docket = createDocket({ baseUrl: url, onTokens, fetch: wire.fetch, ...options } as DocketOptions)
    return { docket, kept, wire }
  }
  const times = (count: number, text: string) => Array.from({ length: count }, () => text)
  const logins = ({ username }: Person) => ({ username, password: PASSWORD })
  const grants = async (requests: readonly Request[]) => {
    const forms = requests.filter(({ url }) => url.endsWith('/auth/token')).map(async (request) => new URLSearchParams(await request.text()))
    return (await Promise.all(forms)).map((form) => form.get('grant_type'))
  }
  const sessionsOf = async ({ id }: Person) => (await context.db.selectFrom('sessions').select('id').where('user_id', '=', id).execute()).length

  t.test('with a password: one login, at the first call that needs it, for all calls', async (t) => {
    const ada = await register()
    const { docket, kept, wire } = watched(logins(ada))
    t.same(wire.calls(), [], 'nothing is sent by createDocket')
    await docket.health.getLiveness()
    t.same(wire.calls(), ['GET /health'], 'nor a login by a public call')
    const people = await Promise.all(Array.from({ length: AT_ONCE }, () => docket.users.getMe()))
    t.strictSame(new Set(people.map(({ id }) => id)), new Set([ada.id]))
    t.same(wire.calls().slice(1), [TOKEN, ...times(AT_ONCE, 'GET /users/me')])
    t.equal(wire.requests[1]?.headers.get('content-type'), 'application/x-www-form-urlencoded', 'a browser needs no preflight for it')
    t.equal(wire.requests[1]?.headers.get('authorization'), null)
    t.equal(kept.length, 1)
    t.equal(await sessionsOf(ada), 2, 'the one of the registration and this one')
  })

  t.test('a token that is refused: many calls at once refresh once, and each is repeated once', async (t) => {
    const ada = await register()
    const { docket, kept, wire } = watched({ token: refused(ada), refreshToken: ada.refreshToken })
    const created = await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => docket.tasks.create({ title: `${index}` })))
    t.equal(new Set(created.map(({ id }) => id)).size, AT_ONCE)
    t.same(wire.calls(), [...times(AT_ONCE, 'POST /tasks'), TOKEN, ...times(AT_ONCE, 'POST /tasks')])
    t.same(await grants(wire.requests), ['refresh_token'])
    const bearers = wire.requests.slice(AT_ONCE + 1).map(({ headers }) => headers.get('authorization'))
    t.strictSame(new Set(bearers), new Set([`Bearer ${kept[0]?.token}`]))
    t.equal(kept.length, 1)
    t.equal((await docket.tasks.list({ limit: 100 })).items.length, AT_ONCE, 'nothing was created twice')
  })

  t.test('calls that begin while a refresh is under way wait for it', async (t) => {
    const ada = await register()
    let late: Promise<unknown> | undefined
    const { docket, wire } = watched({ token: refused(ada), refreshToken: ada.refreshToken }, async (request) => {
      if (request.url.endsWith('/auth/token')) late = docket.lists.list().withResponse()
      return fetch(request)
    })
    await docket.users.getMe()
    await late
    t.same(wire.calls(), ['GET /users/me', TOKEN, ...wire.calls().slice(2)])
    t.same(wire.calls().slice(2).toSorted(), ['GET /lists', 'GET /users/me'], 'once each')
  })

  t.test('a refresh token alone: it gets the first token', async (t) => {
    const ada = await register()
    const { docket, wire } = watched({ refreshToken: ada.refreshToken })
    t.equal((await docket.users.getMe()).id, ada.id)
    t.same(wire.calls(), [TOKEN, 'GET /users/me'])
  })

  t.test('what onTokens was given goes on in another client, which waits until it is kept', async (t) => {
    const ada = await register()
    let saved: Tokens | undefined
    const save = async (tokens: Tokens | undefined) => {
      await new Promise(setImmediate)
      saved = tokens
    }
    const first = watched({ refreshToken: ada.refreshToken, onTokens: save }, async (request) => {
      if (!request.url.endsWith('/auth/token')) t.type(saved?.token, 'string', 'kept before it is used')
      return fetch(request)
    })
    await first.docket.users.getMe()
    const second = watched({ ...saved })
    t.equal((await second.docket.users.getMe()).id, ada.id)
    t.same(second.wire.calls(), ['GET /users/me'])
  })

  t.test('the session is over: the password logs in again', async (t) => {
    const ada = await register()
    await as(ada)('logout', { expect: 204 })
    const { docket, kept, wire } = watched({ token: ada.accessToken, refreshToken: ada.refreshToken, ...logins(ada) })
    await Promise.all(Array.from({ length: AT_ONCE }, () => docket.users.getMe()))
    t.same(wire.calls(), [...times(AT_ONCE, 'GET /users/me'), TOKEN, TOKEN, ...times(AT_ONCE, 'GET /users/me')])
    t.same(await grants(wire.requests), ['refresh_token', 'password'])
    t.equal(kept.length, 1)
  })

  t.test('a 401 that comes while the password logs in again waits for it', async (t) => {
    const ada = await register()
    await as(ada)('logout', { expect: 204 })
    const { promise: loggingIn, resolve } = Promise.withResolvers<void>()
    const { docket } = watched({ token: ada.accessToken, refreshToken: ada.refreshToken, ...logins(ada) }, async (request) => {
      if (request.url.endsWith('/auth/token') && (await request.clone().text()).includes('grant_type=password')) resolve()
      const answer = await fetch(request)
      if (request.url.endsWith('/lists')) await loggingIn
      return answer
    })
    const late = docket.lists.list()
    t.equal((await docket.users.getMe()).id, ada.id)
    t.equal((await late).items.length, 1)
  })

  t.test('the session is over, and there is no password: 401 to all, and the tokens are forgotten', async (t) => {
    const ada = await register()
    await as(ada)('logout', { expect: 204 })
    const { docket, kept, wire } = watched({ token: ada.accessToken, refreshToken: ada.refreshToken })
    const answers = await Promise.allSettled(Array.from({ length: AT_ONCE }, () => docket.users.getMe()))
    for (const answer of answers) t.match(answer, { reason: { name: 'DocketError', status: 401, code: 'UNAUTHENTICATED' } })
    t.same(wire.calls(), [...times(AT_ONCE, 'GET /users/me'), TOKEN])
    t.same(kept, [undefined])
    await t.rejects(docket.users.getMe(), { status: 401, code: 'UNAUTHENTICATED' })
    t.equal(wire.requests.at(-1)?.headers.get('authorization'), null)
  })

  t.test('a token alone, and it is refused: 401, without another request', async (t) => {
    const ada = await register()
    const { docket, kept, wire } = watched({ token: refused(ada) })
    await t.rejects(docket.users.getMe(), { status: 401, code: 'UNAUTHENTICATED' })
    t.same(wire.calls(), ['GET /users/me'])
    t.same(kept, [])
  })

  for (const code of ['TOKEN_EXPIRED', 'UNAUTHENTICATED']) {
    t.test(`${code}: repeated once, with the body; a second one is the answer`, async (t) => {
      const ada = await register()
      let expired = 1
      const wrapper: Fetch = async (request) => (request.url.endsWith('/tasks') && expired-- > 0 ? problem(401, code) : fetch(request))
      const { docket, wire } = watched({ refreshToken: ada.refreshToken }, wrapper)
      t.equal((await docket.tasks.create({ title: 'Milk' })).title, 'Milk')
      t.same(wire.calls(), [TOKEN, 'POST /tasks', TOKEN, 'POST /tasks'])
      expired = 2
      await t.rejects(docket.tasks.create({ title: 'Milk' }), { status: 401, code })
      t.same(wire.calls().slice(4), ['POST /tasks', TOKEN, 'POST /tasks'])
    })
  }

  t.test('a wrong password: the answer of the login, and no call', async (t) => {
    const ada = await register()
    const { docket, wire } = watched({ ...logins(ada), password: 'wrong horse' })
    const error = await docket.tasks.list().catch((reason: unknown) => reason)
    t.ok(error instanceof DocketError)
    t.match(error, { status: 401, code: 'INVALID_CREDENTIALS', body: { error: 'invalid_grant' } })
    t.same(wire.calls(), [TOKEN])
  })

  t.test('a refresh that does not get through leaves the session as it is', async (t) => {
    const ada = await register()
    let broken = true
    const { docket, kept, wire } = watched({ refreshToken: ada.refreshToken, maxRetries: 0 }, async (request) => {
      if (broken && request.url.endsWith('/auth/token')) throw new TypeError('fetch failed')
      return fetch(request)
    })
    await t.rejects(docket.users.getMe(), { name: 'DocketConnectionError', cause: { message: 'fetch failed' } })
    t.same(kept, [])
    broken = false
    t.equal((await docket.users.getMe()).id, ada.id)
    t.same(wire.calls(), [TOKEN, TOKEN, 'GET /users/me'])
  })

  t.test('a 400 that is not of the server leaves the session as it is, too', async (t) => {
    const ada = await register()
    let first = true
    const { docket, kept } = watched({ token: refused(ada), refreshToken: ada.refreshToken }, async (request) => {
      if (!request.url.endsWith('/auth/token') || !first) return fetch(request)
      first = false
      return new Response('<h1>Bad Request</h1>', { status: 400, headers: { 'Content-Type': 'text/html' } })
    })
    await t.rejects(docket.users.getMe(), { name: 'DocketError', status: 400 })
    t.same(kept, [])
    t.equal((await docket.users.getMe()).id, ada.id)
  })

  t.test('a refresh whose answer is lost is repeated, and gives the same tokens', async (t) => {
    t.intercept(Math, 'random', { value: () => 0 })
    const ada = await register()
    let lost: string | undefined
    const { docket, kept } = watched({ refreshToken: ada.refreshToken }, async (request) => {
      const answer = await fetch(request)
      if (lost !== undefined || !request.url.endsWith('/auth/token')) return answer
      lost = ((await answer.json()) as { refresh_token: string }).refresh_token
      throw new TypeError('fetch failed')
    })
    t.equal((await docket.users.getMe()).id, ada.id)
    t.equal(kept[0]?.refreshToken, lost)
  })

  t.test('register and login make the client somebody, whatever the old session is waiting for', async (t) => {
    const [ada, grace] = [await register(), await register()]
    const { promise: loggedIn, resolve } = Promise.withResolvers<void>()
    const { docket, kept } = watched({ token: refused(ada), refreshToken: ada.refreshToken }, async (request) => {
      // The old session's refresh is answered when the new one is there.
      if (request.url.endsWith('/auth/token')) await loggedIn
      return fetch(request)
    })
    const before = docket.users.getMe()
    const { accessToken } = await docket.auth.login(logins(grace))
    resolve()
    t.equal((await before).id, ada.id)
    t.equal((await docket.users.getMe()).id, grace.id)
    t.same(
      kept.map((tokens) => tokens?.token),
      [accessToken],
    )
  })

  t.test('logout ends the session on the server and forgets the password, too', async (t) => {
    const ada = await register()
    const { docket, kept, wire } = watched(logins(ada))
    await docket.users.getMe()
    const tokens = kept[0]
    await docket.auth.logout()
    t.same(kept, [tokens, undefined])
    t.equal((await as({ accessToken: tokens?.token ?? '' })('getMe')).status, 401)
    await t.rejects(docket.users.getMe(), { status: 401, code: 'UNAUTHENTICATED' })
    t.same(wire.calls(), [TOKEN, 'GET /users/me', 'POST /auth/logout', 'GET /users/me'])
  })

  t.test('deleteMe leaves the client to nobody, and forgets the password as well', async (t) => {
    const ada = await register()
    const { docket, kept, wire } = watched(logins(ada))
    await t.rejects(docket.account.deleteMe({ currentPassword: 'not mine at all' }), { status: 422, code: 'VALIDATION_FAILED' })
    await docket.users.getMe()
    await docket.account.deleteMe({ currentPassword: PASSWORD })
    t.equal(kept.at(-1), undefined)
    await t.rejects(docket.users.getMe(), { status: 401, code: 'UNAUTHENTICATED' })
    t.same(wire.calls().slice(-2), ['POST /users/me/delete', 'GET /users/me'])
  })

  t.test('an API token acts within its scopes, and is not refreshed', async (t) => {
    const ada = await register()
    const { token } = await watched(logins(ada)).docket.apiTokens.create({ name: 'Sync', scopes: ['tasks:read'], currentPassword: PASSWORD })
    const { docket, kept, wire } = watched({ token })
    t.same(await docket.tasks.list(), { items: [], nextCursor: null })
    await t.rejects(docket.tasks.create({ title: 'Milk' }), { status: 403, code: 'INSUFFICIENT_SCOPE' })
    await t.rejects(docket.sessions.list(), { status: 403, code: 'FORBIDDEN' })
    t.same(kept, [])
    t.same(wire.calls(), ['GET /tasks', 'POST /tasks', 'GET /sessions'])
  })

  t.test('a scope narrows what the client may do; createToken leaves the client alone', async (t) => {
    const ada = await register()
    const { docket, kept } = watched({ ...logins(ada), scope: 'tasks:read' })
    t.same((await docket.tasks.list()).items, [])
    await t.rejects(docket.tasks.create({ title: 'Milk' }), { status: 403, code: 'INSUFFICIENT_SCOPE' })
    const { access_token } = await docket.auth.createToken({ grant_type: 'password', ...logins(ada) })
    t.equal((await createDocket({ baseUrl: url, token: access_token }).tasks.create({ title: 'Milk' })).title, 'Milk')
    t.equal(kept.length, 1)
    await t.rejects(docket.tasks.create({ title: 'Milk' }), { status: 403, code: 'INSUFFICIENT_SCOPE' })
  })

  t.test('a call that is aborted leaves the refresh to the others', async (t) => {
    const ada = await register()
    const abort = new AbortController()
    const { docket, wire } = watched({ token: refused(ada), refreshToken: ada.refreshToken }, async (request) => {
      if (request.url.endsWith('/auth/token')) abort.abort(new Error('enough'))
      return fetch(request)
    })
    const [aborted, other] = await Promise.allSettled([docket.users.getMe({ signal: abort.signal }), docket.users.getMe()])
    t.match(aborted, { status: 'rejected', reason: { message: 'enough' } })
    t.match(other, { status: 'fulfilled', value: { id: ada.id } })
    t.same(
      wire.calls().filter((call) => call === TOKEN),
      [TOKEN],
    )
  })
})
