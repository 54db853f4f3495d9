import { createHmac } from 'node:crypto'
import t from 'tap'
import { exchange } from '../http/raw.ts'
import { PASSWORD, startApp } from '../support/app.ts'
import { type Attack, expectNoDefects, expectVerdicts, requestOf, verdictOf } from './attacks.ts'

const FORM = 'Content-Type: application/x-www-form-urlencoded'
const REFUSED = '400 invalid_grant'
const TOO_LONG = '400 invalid_request'

/** A refresh token is user, session and counter under an HMAC: none of them can be another, in neither of the two ways to refresh. */
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
  const refresh = (refreshToken: string) => requestOf('POST /api/v1/auth/refresh', [], JSON.stringify({ refreshToken }))
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
  const tokens: Readonly<Record<string, string>> = {
    ...Object.fromEntries(Array.from(bytes, (byte, index) => [`another byte ${index}`, spliced(index, Buffer.from([byte ^ 1]))])),
    'the user of another': spliced(0, eves.subarray(0, 16)),
    'the session of another': spliced(16, eves.subarray(16, 32)),
    'user and session of another': spliced(0, eves.subarray(0, 32)),
    'the signature of another': spliced(36, eves.subarray(36)),
    'user and session in the other order': spliced(0, Buffer.concat([bytes.subarray(16, 32), bytes.subarray(0, 16)])),
    'the next counter': spliced(32, counter(1)),
    'the last counter': spliced(32, counter(0xffffffff)),
    'no signature': spliced(36, Buffer.alloc(32)),
    'a signature by the key of access tokens': spliced(0, bytes.subarray(0, 0), accessKey),
    'a signature by the key of cursors': spliced(0, bytes.subarray(0, 0), cursor),
    'a signature by no key': spliced(0, bytes.subarray(0, 0), Buffer.alloc(0)),
    'a counter that is not there yet, properly signed': spliced(32, counter(1), ours),
    'a counter that no column holds, properly signed': spliced(32, counter(0xffffffff), ours),
    'a counter at the end of the column, properly signed': spliced(32, counter(0x7fffffff), ours),
    'the session of another, properly signed': spliced(16, eves.subarray(16, 32), ours),
    'the user of another, properly signed': spliced(0, eves.subarray(0, 16), ours),
    'ids of nothing but zeros, properly signed': spliced(0, Buffer.alloc(32), ours),
    'without its last character': token.slice(0, -1),
    'without its first character': token.slice(1),
    'half of it': token.slice(0, 45),
    'one character more': `${token}A`,
    'three spare bits': `${token.slice(0, -1)}${String.fromCharCode(token.charCodeAt(token.length - 1) + 1)}`,
    padding: `${token}=`,
    'a space before it': ` ${token}`,
    'a line feed behind it': `${token}\n`,
    'a quote around it': `"${token}"`,
    '"Bearer" before it': `Bearer ${token}`,
    'another case': token.toLowerCase(),
    'the other base 64': bytes.toString('base64'),
    hexadecimal: bytes.toString('hex'),
    'twice over': token + token,
    'two tokens': `${token},${eve.refreshToken}`,
    'the access token': ada.accessToken,
    'the start of the access token': ada.accessToken.slice(0, 255),
    'the id of the user': ada.id,
    'an API token that nobody made': 'dkt_0123456789_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG_000000',
    SQL: "' or true --",
    'letters beyond ASCII': '\u{e4}\u{1f512}',
    zeros: 'A'.repeat(91),
    '255 characters': 'A'.repeat(255),
    '256 characters': 'A'.repeat(256),
    null: 'null',
    'the token of a user who is deleted': gone.refreshToken,
    'the token of a user who is disabled': disabled.refreshToken,
    'the token of a session that has ended': out.refreshToken,
    'the token of a session that has expired': late.refreshToken,
    'the token of a session that was idle for too long': idle.refreshToken,
    'the password as a token': PASSWORD,
    'an empty API token': 'dkt_',
  }
  expectVerdicts(t, url, [
    ...Object.entries(tokens).flatMap(([what, bad]): Attack[] => [
      [`form: ${what}`, grant(bad), bad.length > 255 ? TOO_LONG : REFUSED],
      [`JSON: ${what}`, refresh(bad), bad.length > 255 ? '422 body/refreshToken maxLength' : '401 UNAUTHENTICATED'],
    ]),
    ...(
      [
        ['nothing', '{}', '422 body/refreshToken required'],
        ['no text', '{"refreshToken":""}', '422 body/refreshToken minLength'],
        ['null', '{"refreshToken":null}', '422 body/refreshToken type'],
        ['a number', '{"refreshToken":1}', '422 body/refreshToken type'],
        ['true', '{"refreshToken":true}', '422 body/refreshToken type'],
        ['a list', JSON.stringify({ refreshToken: [token] }), '422 body/refreshToken type'],
        ['an object', JSON.stringify({ refreshToken: { $ne: '' } }), '422 body/refreshToken type'],
        ['a text', JSON.stringify(token), '422 body type'],
        ['the name of the form', JSON.stringify({ refresh_token: token }), '422 body/refreshToken required'],
        ['a scope', JSON.stringify({ refreshToken: token, scope: 'admin' }), '422 body/scope additionalProperties'],
        ['a user', JSON.stringify({ refreshToken: token, userId: eve.id }), '422 body/userId additionalProperties'],
        ['two tokens', `{"refreshToken":"${token}","refreshToken":"${eve.refreshToken}"}`, '400 MALFORMED_REQUEST'],
        ['NUL', JSON.stringify({ refreshToken: `${token}\0` }), '422 body/refreshToken characters'],
        ['a lone surrogate', '{"refreshToken":"\\ud83d"}', '422 body/refreshToken characters'],
      ] as const
    ).map(([what, body, verdict]): Attack => [`JSON: ${what}`, requestOf('POST /api/v1/auth/refresh', [], body), verdict]),
    ['JSON: as a form', requestOf('POST /api/v1/auth/refresh', [FORM], `refreshToken=${token}`), '415 UNSUPPORTED_MEDIA_TYPE'],
    ['JSON: in the query', requestOf(`POST /api/v1/auth/refresh?refreshToken=${token}`, [], '{}'), '422 query/refreshToken additionalProperties'],
    ['JSON: in a cookie', requestOf('POST /api/v1/auth/refresh', [`Cookie: refreshToken=${token}`], '{}'), '422 body/refreshToken required'],
    ['JSON: as a bearer', requestOf('POST /api/v1/auth/refresh', [`Authorization: Bearer ${token}`], '{}'), '422 body/refreshToken required'],
    [
      'form: as JSON',
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
  ])

  const successorOf = async (answer: { body: string }) => JSON.parse(answer.body).refresh_token as string

  t.test('none of this has done the session any harm, and it asks for no more than it has', async (t) => {
    const answer = await exchange(url, grant(token, { scope: 'admin', username: eve.username, password: PASSWORD }))
    t.equal(answer.status, 200)
    t.equal(JSON.parse(answer.body).scope, 'account:read account:write tasks:read tasks:write webhooks:write')
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

  t.test('a narrowed login stays narrowed, refreshed in either way', async (t) => {
    const body = { grant_type: 'password', username: eve.username, password: PASSWORD, scope: 'account:read' } as const
    const { body: login } = await as()('createToken', { body, expect: 200 })
    const { body: second } = await as()('refresh', { body: { refreshToken: login.refresh_token }, expect: 200 })
    t.equal(second.scope, 'account:read')
    const third = JSON.parse((await exchange(url, grant(second.refreshToken, { scope: 'account:write' }))).body)
    t.equal(third.scope, 'account:read')
    await as({ accessToken: third.access_token })('updateMe', { body: { timeZone: 'UTC' }, expect: 403 })
    await as(second)('listTasks', { expect: 403 })
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
