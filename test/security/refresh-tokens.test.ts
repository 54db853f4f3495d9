import { createHmac } from 'node:crypto'
import t from 'tap'
import { exchange } from '../http/raw.ts'
import { PASSWORD, startApp } from '../support/app.ts'
import { type Attack, expectNoDefects, expectVerdicts, requestOf, verdictOf } from './attacks.ts'

const FORM = 'Content-Type: application/x-www-form-urlencoded'
const REFUSED = '400 invalid_grant'
const TOO_LONG = '400 invalid_request'

/** A refresh token is user, session and counter under an HMAC: none of them can be another. */
t.test('refresh tokens', async (t) => {
  const { url, as, context, register, logged } = await startApp(t)
  const [ada, eve, gone, disabled, out, late, idle] = [
    await register(),
    await register(),
    await register(),
    await register(),
    await register(),
    await register(),
    await register(),
  ]
  const { db } = context
  const past = new Date(Date.now() - 1000).toISOString()
  await db.deleteFrom('users').where('id', '=', gone.id).execute()
  await db.updateTable('users').set({ disabled_at: past }).where('id', '=', disabled.id).execute()
  await db.updateTable('sessions').set({ expires_at: past }).where('user_id', '=', late.id).execute()
  await db.updateTable('sessions').set({ idle_expires_at: past }).where('user_id', '=', idle.id).execute()
  await as(out)('logout', { expect: 204 })

  const grant = (refresh_token: string, more: Record<string, string> = {}) =>
    requestOf('POST /api/v1/auth/token', [FORM], new URLSearchParams({ grant_type: 'refresh_token', refresh_token, ...more }).toString())
  const token = ada.refreshToken
  const bytes = Buffer.from(token, 'base64url')
  const eves = Buffer.from(eve.refreshToken, 'base64url')
  /** The token with other bytes somewhere, signed by this key or not anew. */
  const spliced = (at: number, other: Buffer, key?: Buffer) => {
    const copy = Buffer.from(bytes)
    other.copy(copy, at)
    if (key !== undefined) createHmac('sha256', key).update(copy.subarray(0, 36)).digest().copy(copy, 36)
    return copy.toString('base64url')
  }
  const counter = (value: number) => {
    const buffer = Buffer.alloc(4)
    buffer.writeUInt32BE(value)
    return buffer
  }
  const [ours, accessKey, cursor] = [context.keys.refreshToken, context.keys.accessToken, context.keys.cursor].map(([{ bytes }]) => bytes)
  const flipped = Array.from(bytes, (byte, index): Attack => [`another byte ${index}`, grant(spliced(index, Buffer.from([byte ^ 1]))), REFUSED])

  expectVerdicts(t, url, [
    ...flipped,
    ['the user of another', grant(spliced(0, eves.subarray(0, 16))), REFUSED],
    ['the session of another', grant(spliced(16, eves.subarray(16, 32))), REFUSED],
    ['user and session of another', grant(spliced(0, eves.subarray(0, 32))), REFUSED],
    ['the signature of another', grant(spliced(36, eves.subarray(36))), REFUSED],
    ['user and session in the other order', grant(spliced(0, Buffer.concat([bytes.subarray(16, 32), bytes.subarray(0, 16)]))), REFUSED],
    ['the next counter', grant(spliced(32, counter(1))), REFUSED],
    ['the last counter', grant(spliced(32, counter(0xffffffff))), REFUSED],
    ['no signature', grant(spliced(36, Buffer.alloc(32))), REFUSED],
    ['a signature by the key of access tokens', grant(spliced(0, bytes.subarray(0, 0), accessKey)), REFUSED],
    ['a signature by the key of cursors', grant(spliced(0, bytes.subarray(0, 0), cursor)), REFUSED],
    ['a signature by no key', grant(spliced(0, bytes.subarray(0, 0), Buffer.alloc(0))), REFUSED],
    ['a counter that is not there yet, properly signed', grant(spliced(32, counter(1), ours)), REFUSED],
    ['a counter that no column holds, properly signed', grant(spliced(32, counter(0xffffffff), ours)), REFUSED],
    ['a counter at the end of the column, properly signed', grant(spliced(32, counter(0x7fffffff), ours)), REFUSED],
    ['the session of another, properly signed', grant(spliced(16, eves.subarray(16, 32), ours)), REFUSED],
    ['the user of another, properly signed', grant(spliced(0, eves.subarray(0, 16), ours)), REFUSED],
    ['ids of nothing but zeros, properly signed', grant(spliced(0, Buffer.alloc(32), ours)), REFUSED],
    ['without its last character', grant(token.slice(0, -1)), REFUSED],
    ['without its first character', grant(token.slice(1)), REFUSED],
    ['half of it', grant(token.slice(0, 45)), REFUSED],
    ['one character more', grant(`${token}A`), REFUSED],
    ['three spare bits', grant(`${token.slice(0, -1)}${String.fromCharCode(token.charCodeAt(token.length - 1) + 1)}`), REFUSED],
    ['padding', grant(`${token}=`), REFUSED],
    ['a space before it', grant(` ${token}`), REFUSED],
    ['a line feed behind it', grant(`${token}\n`), REFUSED],
    ['a quote around it', grant(`"${token}"`), REFUSED],
    ['"Bearer" before it', grant(`Bearer ${token}`), REFUSED],
    ['another case', grant(token.toLowerCase()), REFUSED],
    ['the other base 64', grant(bytes.toString('base64')), REFUSED],
    ['hexadecimal', grant(bytes.toString('hex')), REFUSED],
    ['twice over', grant(token + token), REFUSED],
    ['two tokens', grant(`${token},${eve.refreshToken}`), REFUSED],
    ['the access token', grant(ada.accessToken), TOO_LONG],
    ['the start of the access token', grant(ada.accessToken.slice(0, 255)), REFUSED],
    ['the id of the user', grant(ada.id), REFUSED],
    ['an API token that nobody made', grant('dkt_0123456789_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG_000000'), REFUSED],
    ['SQL', grant("' or true --"), REFUSED],
    ['letters beyond ASCII', grant('\u{e4}\u{1f512}'), REFUSED],
    ['zeros', grant('A'.repeat(91)), REFUSED],
    ['255 characters', grant('A'.repeat(255)), REFUSED],
    ['256 characters', grant('A'.repeat(256)), TOO_LONG],
    ['null', grant('null'), REFUSED],
    ['the token of a user who is deleted', grant(gone.refreshToken), REFUSED],
    ['the token of a user who is disabled', grant(disabled.refreshToken), REFUSED],
    ['the token of a session that has ended', grant(out.refreshToken), REFUSED],
    ['the token of a session that has expired', grant(late.refreshToken), REFUSED],
    ['the token of a session that was idle for too long', grant(idle.refreshToken), REFUSED],
    [
      'as JSON',
      requestOf('POST /api/v1/auth/token', [], JSON.stringify({ grant_type: 'refresh_token', refresh_token: token })),
      '415 invalid_request',
    ],
    ['in the query', requestOf(`POST /api/v1/auth/token?refresh_token=${token}`, [FORM], 'grant_type=refresh_token'), '400 invalid_request'],
    [
      'in a cookie',
      requestOf('POST /api/v1/auth/token', [FORM, `Cookie: refresh_token=${token}`], 'grant_type=refresh_token'),
      '400 invalid_request',
    ],
    ['as an access token', requestOf('GET /api/v1/users/me', [`Authorization: Bearer ${token}`]), '401 UNAUTHENTICATED'],
    [
      'as a password',
      requestOf('POST /api/v1/auth/login', [], JSON.stringify({ username: ada.username, password: token })),
      '401 INVALID_CREDENTIALS',
    ],
    ['the password as a token', grant(PASSWORD), REFUSED],
  ])

  const successorOf = async (answer: { body: string }) => JSON.parse(answer.body).refresh_token as string

  t.test('none of this has done the session any harm, and it asks for no more than it has', async (t) => {
    const answer = await exchange(url, grant(token, { scope: 'admin', username: eve.username, password: PASSWORD }))
    t.equal(answer.status, 200)
    t.equal(JSON.parse(answer.body).scope, 'account:read account:write tasks:read tasks:write')
    t.match(await as({ accessToken: JSON.parse(answer.body).access_token })('getMe', { expect: 200 }), { body: { id: ada.id } })
  })

  t.test('a narrowed login stays narrowed, however often it is refreshed', async (t) => {
    const body = { grant_type: 'password', username: eve.username, password: PASSWORD, scope: 'tasks:read' } as const
    let { refresh_token: current, access_token: accessToken } = (await as()('createToken', { body, expect: 200 })).body
    for (const scope of ['', 'tasks:write', 'admin', 'tasks:read tasks:write']) {
      const refreshed = JSON.parse((await exchange(url, grant(current, { scope }))).body)
      t.equal(refreshed.scope, 'tasks:read', scope)
      current = refreshed.refresh_token
      accessToken = refreshed.access_token
    }
    await as({ accessToken })('createTask', { body: { title: 'x' }, expect: 403 })
  })

  t.test('a stolen token: whoever uses an old one ends the session for both, and no other session', async (t) => {
    const { body: login } = await as()('login', { body: { username: eve.username, password: PASSWORD }, expect: 200 })
    const second = await successorOf(await exchange(url, grant(login.refreshToken)))
    const third = await successorOf(await exchange(url, grant(second)))
    t.equal(verdictOf(await exchange(url, grant(login.refreshToken))), REFUSED)
    for (const every of [third, second, login.refreshToken]) t.equal(verdictOf(await exchange(url, grant(every))), REFUSED)
    await as(login)('getMe', { expect: 401 })
    await as(eve)('getMe', { expect: 200 })
    t.equal((await exchange(url, grant(eve.refreshToken))).status, 200)
  })

  t.test('no token is in the database', async (t) => {
    const rows = JSON.stringify(await db.selectFrom('sessions').selectAll().execute())
    for (const { refreshToken, accessToken } of [ada, eve]) {
      t.notOk(rows.includes(refreshToken))
      t.notOk(rows.includes(Buffer.from(refreshToken, 'base64url').subarray(36).toString('hex')))
      t.notOk(rows.includes(accessToken.split('.')[2] ?? accessToken))
    }
  })

  expectNoDefects(t, logged)
})
