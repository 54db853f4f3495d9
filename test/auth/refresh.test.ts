import { createHmac } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { PASSWORD, startApp } from '../support/app.ts'
import type { Caller } from '../support/client.ts'
import { sessionIdOf } from '../support/instances.ts'

const AT_ONCE = 50
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

type Tokens = Readonly<{ accessToken: string; refreshToken: string; expiresIn: number; scope: string }>
type Exchanged = Readonly<{ status: number; headers: Headers; body: unknown; tokens: Tokens | undefined }>
type Exchange = (call: Caller, refreshToken: string) => Promise<Exchanged>

/** The two ways to exchange a refresh token: one for clients of OAuth2, one for all others. */
const byCreateToken: Exchange = async (call, refreshToken) => {
  const { status, headers, body } = await call('createToken', { body: { grant_type: 'refresh_token', refresh_token: refreshToken } })
  if (!('access_token' in body)) return { status, headers, body, tokens: undefined }
  const { access_token, refresh_token, expires_in, scope } = body
  return { status, headers, body, tokens: { accessToken: access_token, refreshToken: refresh_token, expiresIn: expires_in, scope } }
}
const byRefresh: Exchange = async (call, refreshToken) => {
  const { status, headers, body } = await call('refresh', { body: { refreshToken } })
  return { status, headers, body, tokens: 'accessToken' in body ? body : undefined }
}

for (const [way, exchange, refused] of [
  ['createToken by refresh token', byCreateToken, { status: 400, body: { code: 'MALFORMED_REQUEST', error: 'invalid_grant' } }],
  ['refresh', byRefresh, { status: 401, body: { code: 'UNAUTHENTICATED' } }],
] as const)
  t.test(way, async (t) => {
    const { as, context, register } = await startApp(t, { DATABASE_POOL_SIZE: '20' })
    const { db } = context
    const ada = await register()
    const logIn = async () => (await as()('login', { body: { username: ada.username, password: PASSWORD }, expect: 200 })).body
    const refresh = (refreshToken: string) => exchange(as(), refreshToken)
    const rotate = async (refreshToken: string) => {
      const { status, tokens } = await refresh(refreshToken)
      if (tokens === undefined) throw new Error(`The refresh token was refused with ${status}.`)
      return tokens
    }
    const row = (id: string) => db.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
    const set = (id: string, changes: Record<string, string>) => db.updateTable('sessions').set(changes).where('id', '=', id).execute()
    const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString()
    const reuses = (sessionId: string) =>
      db.selectFrom('audit_events').selectAll().where('session_id', '=', sessionId).where('action', '=', 'session.refresh_token_reused').execute()

    t.test('200: the next pair of the same session; both access tokens work', async (t) => {
      const first = await logIn()
      const { status, headers, tokens } = await refresh(first.refreshToken)
      t.match({ status, tokens }, { status: 200, tokens: { expiresIn: 900, scope: first.scope } })
      t.equal(headers.get('cache-control'), 'no-store')
      const second = await rotate(first.refreshToken)
      t.not(second.refreshToken, first.refreshToken)
      t.equal(sessionIdOf(second), sessionIdOf(first))
      for (const accessToken of [first.accessToken, second.accessToken])
        t.match(await as({ accessToken })('getMe'), { status: 200, body: { id: ada.id } })
      t.equal((await row(sessionIdOf(first))).refresh_counter, 1)
    })

    t.test('200: many times over', async (t) => {
      const { accessToken, refreshToken } = await logIn()
      let token = refreshToken
      const seen = new Set([token])
      for (let use = 0; use < 20; use++) {
        token = (await rotate(token)).refreshToken
        seen.add(token)
      }
      t.equal(seen.size, 21)
      t.equal((await row(sessionIdOf({ accessToken }))).refresh_counter, 20)
    })

    t.test('200: the token before the newest gives the same successor within the grace, as often as it is sent', async (t) => {
      const { accessToken, refreshToken } = await logIn()
      const { refreshToken: successor } = await rotate(refreshToken)
      for (let time = 0; time < 3; time++) t.equal((await rotate(refreshToken)).refreshToken, successor)
      t.equal((await refresh(successor)).status, 200)
      t.same(await reuses(sessionIdOf({ accessToken })), [])
    })

    t.test('Refused to the token before the newest after the grace: the session is over', async (t) => {
      const { accessToken, refreshToken } = await logIn()
      const next = await rotate(refreshToken)
      await as({ accessToken: next.accessToken })('getMe', { expect: 200 })
      await set(sessionIdOf({ accessToken }), { rotated_at: ago(31) })
      t.match(await refresh(refreshToken), refused)
      for (const token of [accessToken, next.accessToken]) t.equal((await as({ accessToken: token })('getMe')).status, 401)
      t.match(await refresh(next.refreshToken), refused)
      t.equal((await reuses(sessionIdOf(next))).length, 1)
    })

    t.test('Refused to an older token, however soon: the session is over, and no other', async (t) => {
      const other = await logIn()
      const { accessToken, refreshToken } = await logIn()
      const second = await rotate(refreshToken)
      const third = await rotate(second.refreshToken)
      await as({ accessToken })('getMe', { expect: 200 })
      t.match(await refresh(refreshToken), refused)
      for (const token of [accessToken, second.accessToken, third.accessToken]) t.equal((await as({ accessToken: token })('getMe')).status, 401)
      for (const token of [third.refreshToken, second.refreshToken, refreshToken]) t.match(await refresh(token), refused)
      t.equal((await as(other)('getMe')).status, 200)
      t.equal((await refresh(other.refreshToken)).status, 200)
      t.match(await reuses(sessionIdOf(third)), [{ user_id: ada.id, actor_id: ada.id, operation: way === 'refresh' ? 'refresh' : 'createToken' }])
      t.same(await reuses(sessionIdOf(other)), [])
    })

    t.test(`${AT_ONCE} at once with one token: 200 and the same successor to all, one rotation`, async (t) => {
      for (let round = 0; round < 3; round++) {
        const { accessToken, refreshToken } = await logIn()
        const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => rotate(refreshToken)))
        t.equal(new Set(answers.map(({ refreshToken }) => refreshToken)).size, 1)
        t.equal((await row(sessionIdOf({ accessToken }))).refresh_counter, 1)
      }
    })

    t.test('refreshing while logging out: nothing is alive afterwards, in 25 rounds', async (t) => {
      let won = 0
      for (let round = 0; round < 25; round++) {
        const session = await logIn()
        const before = await rotate(session.refreshToken)
        const refreshing = [refresh(before.refreshToken), refresh(before.refreshToken)]
        // A little later each time, so that the one, the other or neither comes first.
        for (let turn = 0; turn < round % 5; turn++) await setImmediate()
        await as(session)('logout', { expect: 204 })
        const answers = await Promise.all(refreshing)
        const refreshed = answers.flatMap(({ tokens }) => tokens ?? [])
        won += refreshed.length
        for (const token of [session.accessToken, before.accessToken, ...refreshed.map(({ accessToken }) => accessToken)]) {
          t.equal((await as({ accessToken: token })('getMe')).status, 401)
        }
        for (const token of [before.refreshToken, ...refreshed.map(({ refreshToken }) => refreshToken)]) t.match(await refresh(token), refused)
      }
      t.ok(won > 0, `${won} tokens were made in these moments`)
    })

    t.test('Refused: past the absolute end of the session, which no rotation moves', async (t) => {
      const { accessToken, refreshToken } = await logIn()
      const id = sessionIdOf({ accessToken })
      const { expires_at } = await row(id)
      const next = await rotate(refreshToken)
      t.equal((await row(id)).expires_at, expires_at)
      await set(id, { expires_at: ago(1) })
      t.match(await refresh(next.refreshToken), refused)
      t.match(await refresh(refreshToken), refused)
    })

    t.test('Refused: idle for too long; each use starts the time anew', async (t) => {
      const { accessToken, refreshToken } = await logIn()
      const id = sessionIdOf({ accessToken })
      const soon = new Date(Date.now() + 60_000).toISOString()
      await set(id, { idle_expires_at: soon })
      const next = await rotate(refreshToken)
      t.ok((await row(id)).idle_expires_at > soon)
      await set(id, { idle_expires_at: ago(1) })
      t.match(await refresh(next.refreshToken), refused)
    })

    t.test('Refused: whatever was not made here', async (t) => {
      const { accessToken, refreshToken } = await logIn()
      const bytes = Buffer.from(refreshToken, 'base64url')
      const flipped = Array.from(bytes, (_, index) => {
        const copy = Buffer.from(bytes)
        copy.writeUInt8(copy.readUInt8(index) ^ 1, index)
        return copy.toString('base64url')
      })
      const resigned = Buffer.from(bytes)
      resigned.writeUInt32BE(7, 32)
      createHmac('sha256', context.keys.accessToken[0].bytes).update(resigned.subarray(0, 36)).digest().copy(resigned, 36)
      // The last character of 68 bytes has two spare bits.
      const spare = refreshToken.slice(0, -1) + ALPHABET[ALPHABET.indexOf(refreshToken.at(-1) ?? '') ^ 1]
      for (const token of [
        ...flipped,
        spare,
        resigned.toString('base64url'),
        refreshToken.slice(0, -1),
        refreshToken.slice(1),
        refreshToken.slice(0, 20),
        `${refreshToken}A`,
        `${refreshToken}=`,
        ` ${refreshToken}`,
        refreshToken + refreshToken.slice(0, 4),
        accessToken.slice(0, 255),
        bytes.toString('base64'),
        bytes.toString('hex'),
        'garbage',
        '\u00e4\u{1F512}',
        'A'.repeat(91),
        '0',
      ]) {
        t.match(await refresh(token), refused, token.slice(0, 20))
      }
      t.equal((await refresh(refreshToken)).status, 200, 'the session has come to no harm')
    })

    t.test('Refused: of a session or a user that is gone', async (t) => {
      const { accessToken, refreshToken } = await logIn()
      await db.deleteFrom('sessions').where('id', '=', sessionIdOf({ accessToken })).execute()
      t.match(await refresh(refreshToken), refused)
      const eve = await register()
      await db.deleteFrom('users').where('id', '=', eve.id).execute()
      t.match(await refresh(eve.refreshToken), refused)
    })
  })

t.test('refresh in JSON', async (t) => {
  const { as, context, register } = await startApp(t)
  const ada = await register()

  t.test('200: the user as they are now, and what the session may do', async (t) => {
    const { body: me } = await as(ada)('updateMe', { body: { timeZone: 'Europe/Berlin' }, expect: 200 })
    const { body, headers } = await as()('refresh', { body: { refreshToken: ada.refreshToken }, expect: 200 })
    t.match(body, { user: me, tokenType: 'Bearer', expiresIn: 900, scope: 'account:read account:write tasks:read tasks:write webhooks:write' })
    t.equal(headers.get('cache-control'), 'no-store')
  })

  t.test('401 says so in WWW-Authenticate, whatever is wrong with the token', async (t) => {
    const eve = await register()
    await as(eve)('logout', { expect: 204 })
    for (const refreshToken of [eve.refreshToken, eve.accessToken.slice(0, 255), 'nonsense', '\u{1F512}']) {
      const { headers, body } = await as()('refresh', { body: { refreshToken }, expect: 401 })
      t.match(body, { code: 'UNAUTHENTICATED', detail: 'The refresh token is unknown, expired, used or revoked.' })
      t.equal(headers.get('www-authenticate'), 'Bearer realm="docket", error="invalid_token"')
    }
  })

  t.test('401 to a disabled user, and 200 with a narrowed session to scopes that have not grown', async (t) => {
    const eve = await register()
    await context.db.updateTable('users').set({ disabled_at: new Date().toISOString() }).where('id', '=', eve.id).execute()
    await as()('refresh', { body: { refreshToken: eve.refreshToken }, expect: 401 })
    const grant = { grant_type: 'password', username: ada.username, password: PASSWORD, scope: 'tasks:read' } as const
    const { body: narrow } = await as()('createToken', { body: grant, expect: 200 })
    const { body: next } = await as()('refresh', { body: { refreshToken: narrow.refresh_token }, expect: 200 })
    t.equal(next.scope, 'tasks:read')
    t.equal((await as(next)('getMe')).status, 403)
  })

  t.test('a token of one way is good for the other', async (t) => {
    const { body: login } = await as()('login', { body: { username: ada.username, password: PASSWORD }, expect: 200 })
    const first = await byRefresh(as(), login.refreshToken)
    const second = await byCreateToken(as(), first.tokens?.refreshToken ?? '')
    t.equal((await byRefresh(as(), second.tokens?.refreshToken ?? '')).status, 200)
  })

  t.test('422 without a refresh token, or with one that none can be', async (t) => {
    for (const [body, path] of [
      [{}, '/refreshToken'],
      [{ refreshToken: '' }, '/refreshToken'],
      [{ refreshToken: 'x'.repeat(256) }, '/refreshToken'],
      [{ refreshToken: 7 }, '/refreshToken'],
      [{ refreshToken: 'x', scope: 'admin' }, '/scope'],
    ] as const) {
      t.match(await as()('refresh', { body } as never), { status: 422, body: { errors: [{ in: 'body', path }] } }, JSON.stringify(body))
    }
  })
})
