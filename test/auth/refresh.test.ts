import { createHmac } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { PASSWORD, startApp } from '../support/app.ts'

const AT_ONCE = 50
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

t.test('createToken by refresh token', async (t) => {
  const { as, context, register } = await startApp(t, { DATABASE_POOL_SIZE: '20' })
  const { db } = context
  const ada = await register()
  const logIn = async () => (await as()('login', { body: { username: ada.username, password: PASSWORD }, expect: 200 })).body
  const refresh = (refresh_token: string) => as()('createToken', { body: { grant_type: 'refresh_token', refresh_token } })
  const rotate = async (refresh_token: string) =>
    (await as()('createToken', { body: { grant_type: 'refresh_token', refresh_token }, expect: 200 })).body
  const refused = { status: 400, body: { code: 'MALFORMED_REQUEST', error: 'invalid_grant' } }
  const sessionOf = (accessToken: string): string => JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString()).sid
  const row = (id: string) => db.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
  const set = (id: string, changes: Record<string, string>) => db.updateTable('sessions').set(changes).where('id', '=', id).execute()
  const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString()

  t.test('200: the next pair of the same session; both access tokens work', async (t) => {
    const first = await logIn()
    const { status, body, headers } = await refresh(first.refreshToken)
    t.match({ status, body }, { status: 200, body: { token_type: 'bearer', expires_in: 900, scope: first.scope } })
    t.equal(headers.get('cache-control'), 'no-store')
    const second = await rotate(first.refreshToken)
    t.not(second.refresh_token, first.refreshToken)
    t.equal(sessionOf(second.access_token), sessionOf(first.accessToken))
    for (const accessToken of [first.accessToken, second.access_token])
      t.match(await as({ accessToken })('getMe'), { status: 200, body: { id: ada.id } })
    t.equal((await row(sessionOf(first.accessToken))).refresh_counter, 1)
  })

  t.test('200: many times over', async (t) => {
    const { accessToken, refreshToken } = await logIn()
    let token = refreshToken
    const seen = new Set([token])
    for (let use = 0; use < 20; use++) {
      token = (await rotate(token)).refresh_token
      seen.add(token)
    }
    t.equal(seen.size, 21)
    t.equal((await row(sessionOf(accessToken))).refresh_counter, 20)
  })

  t.test('200: the token before the newest gives the same successor within the grace, as often as it is sent', async (t) => {
    const { refreshToken } = await logIn()
    const { refresh_token: successor } = await rotate(refreshToken)
    for (let time = 0; time < 3; time++) t.equal((await rotate(refreshToken)).refresh_token, successor)
    t.equal((await refresh(successor)).status, 200)
  })

  t.test('400 to the token before the newest after the grace: the session is over', async (t) => {
    const { accessToken, refreshToken } = await logIn()
    const next = await rotate(refreshToken)
    await as({ accessToken: next.access_token })('getMe', { expect: 200 })
    await set(sessionOf(accessToken), { rotated_at: ago(31) })
    t.match(await refresh(refreshToken), refused)
    for (const token of [accessToken, next.access_token]) t.equal((await as({ accessToken: token })('getMe')).status, 401)
    t.match(await refresh(next.refresh_token), refused)
  })

  t.test('400 to an older token, however soon: the session is over, and no other', async (t) => {
    const other = await logIn()
    const { accessToken, refreshToken } = await logIn()
    const second = await rotate(refreshToken)
    const third = await rotate(second.refresh_token)
    await as({ accessToken })('getMe', { expect: 200 })
    t.match(await refresh(refreshToken), refused)
    for (const token of [accessToken, second.access_token, third.access_token]) t.equal((await as({ accessToken: token })('getMe')).status, 401)
    for (const token of [third.refresh_token, second.refresh_token, refreshToken]) t.match(await refresh(token), refused)
    t.equal((await as(other)('getMe')).status, 200)
    t.equal((await refresh(other.refreshToken)).status, 200)
  })

  t.test(`${AT_ONCE} at once with one token: 200 and the same successor to all, one rotation`, async (t) => {
    for (let round = 0; round < 5; round++) {
      const { accessToken, refreshToken } = await logIn()
      const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => rotate(refreshToken)))
      t.equal(new Set(answers.map(({ refresh_token }) => refresh_token)).size, 1)
      t.equal((await row(sessionOf(accessToken))).refresh_counter, 1)
    }
  })

  t.test('refreshing while logging out: nothing is alive afterwards, in 50 rounds', async (t) => {
    let won = 0
    for (let round = 0; round < 50; round++) {
      const session = await logIn()
      const before = await rotate(session.refreshToken)
      const refreshing = [refresh(before.refresh_token), refresh(before.refresh_token)]
      // A little later each time, so that the one, the other or neither comes first.
      for (let turn = 0; turn < round % 5; turn++) await setImmediate()
      await as(session)('logout', { expect: 204 })
      const answers = await Promise.all(refreshing)
      const refreshed = answers.flatMap(({ body }) => ('access_token' in body ? [body] : []))
      won += refreshed.length
      for (const token of [session.accessToken, before.access_token, ...refreshed.map(({ access_token }) => access_token)]) {
        t.equal((await as({ accessToken: token })('getMe')).status, 401)
      }
      for (const token of [before.refresh_token, ...refreshed.map(({ refresh_token }) => refresh_token)]) t.match(await refresh(token), refused)
    }
    t.ok(won > 0, `${won} tokens were made in these moments`)
  })

  t.test('400: past the absolute end of the session, which no rotation moves', async (t) => {
    const { accessToken, refreshToken } = await logIn()
    const id = sessionOf(accessToken)
    const { expires_at } = await row(id)
    const next = await rotate(refreshToken)
    t.equal((await row(id)).expires_at, expires_at)
    await set(id, { expires_at: ago(1) })
    t.match(await refresh(next.refresh_token), refused)
    t.match(await refresh(refreshToken), refused)
  })

  t.test('400: idle for too long; each use starts the time anew', async (t) => {
    const { accessToken, refreshToken } = await logIn()
    const id = sessionOf(accessToken)
    const soon = new Date(Date.now() + 60_000).toISOString()
    await set(id, { idle_expires_at: soon })
    const next = await rotate(refreshToken)
    t.ok((await row(id)).idle_expires_at > soon)
    await set(id, { idle_expires_at: ago(1) })
    t.match(await refresh(next.refresh_token), refused)
  })

  t.test('400: whatever was not made here', async (t) => {
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

  t.test('400: of a session or a user that is gone', async (t) => {
    const { accessToken, refreshToken } = await logIn()
    await db.deleteFrom('sessions').where('id', '=', sessionOf(accessToken)).execute()
    t.match(await refresh(refreshToken), refused)
    const eve = await register()
    await db.deleteFrom('users').where('id', '=', eve.id).execute()
    t.match(await refresh(eve.refreshToken), refused)
  })
})
