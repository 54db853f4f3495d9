import { randomUUID } from 'node:crypto'
import { crc32 } from 'node:zlib'
import t from 'tap'
import { operations } from '../../generated/operations.ts'
import { newApiToken } from '../../src/api-tokens/token.ts'
import { acceptable, call, createIds, SCOPED, SCOPES, SECURED } from '../contract/walk.ts'
import { exchange } from '../http/raw.ts'
import { PASSWORD, type Person, startApp } from '../support/app.ts'
import { type Attack, expectNoDefects, expectVerdicts, requestOf, verdictOf } from './attacks.ts'

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const INVALID = 'Bearer realm="docket", error="invalid_token"'
const UNAUTHENTICATED = '401 UNAUTHENTICATED'
const USER_SCOPES = ['account:read', 'account:write', 'tasks:read', 'tasks:write', 'webhooks:write'] as const
const FORM = 'Content-Type: application/x-www-form-urlencoded'

const forApiTokens = (id: (typeof SECURED)[number]) => (operations[id].schemes as readonly string[]).includes('apiToken')

/** With the checksum that belongs to it, as anybody can make it. */
function sealed(text: string): string {
  let rest = crc32(text)
  let checksum = ''
  for (; checksum.length < 6; rest = Math.floor(rest / 62)) checksum = DIGITS.charAt(rest % 62) + checksum
  return text + checksum
}

t.test('API tokens', async (t) => {
  // Every row is looked at: that guessing is slowed down is tried in test/auth/login-throttle.test.ts.
  const { url, as, context, register, registerAdmin, logged } = await startApp(t, { LOGIN_FREE_FAILURES: '1000000' })
  const [ada, eve, root, disabled, gone] = [await register(), await register(), await registerAdmin(), await register(), await register()]
  const { db } = context
  const params = await createIds(as(ada))
  const created = async (person: Person, scopes: readonly string[] = USER_SCOPES) => {
    const body = { name: 'x', scopes: scopes as ['tasks:read'], currentPassword: PASSWORD }
    return (await as(person)('createApiToken', { body, expect: 201 })).body
  }
  const [own, eves, expired, revoked, ofDisabled, ofGone] = [
    await created(ada),
    await created(eve),
    await created(ada),
    await created(ada),
    await created(disabled),
    await created(gone),
  ]
  const { token } = own
  const past = new Date(Date.now() - 1000).toISOString()
  await db.updateTable('api_tokens').set({ expires_at: past }).where('id', '=', expired.id).execute()
  await as({ accessToken: revoked.token })('getMe', { expect: 200 })
  await as(ada)('revokeApiToken', { params: { tokenId: revoked.id }, expect: 204 })
  await as({ accessToken: ofDisabled.token })('getMe', { expect: 200 })
  await as(root)('updateUser', { params: { userId: disabled.id }, body: { disabled: true }, expect: 200 })
  await as({ accessToken: ofGone.token })('getMe', { expect: 200 })
  await as(root)('deleteUser', { params: { userId: gone.id }, expect: 204 })

  const [ids, secret, checksum] = [token.slice(4, 47), token.slice(47, 90), token.slice(90)]
  const [evesIds, evesSecret] = [eves.token.slice(4, 47), eves.token.slice(47, 90)]
  const idsOf = (userId: string, tokenId: string) => newApiToken(userId, tokenId).token.slice(4, 47)
  const stored = await db.selectFrom('api_tokens').select('secret_hash').where('id', '=', own.id).executeTakeFirstOrThrow()
  // The embedded database hands over a plain array of bytes.
  const hash = Buffer.from(stored.secret_hash)
  const swapped = (text: string) => [...text].map((letter) => (/[a-z]/.test(letter) ? letter.toUpperCase() : letter.toLowerCase())).join('')
  const rest = token.slice(4)

  /** In form, with a checksum that is right: only the database can tell. */
  const unknown: Readonly<Record<string, string>> = {
    'the id of no token': newApiToken(ada.id, randomUUID()).token,
    'the id of no user': newApiToken(randomUUID(), own.id).token,
    'another secret': newApiToken(ada.id, own.id).token,
    'the secret of another': sealed(`dkt_${ids}${evesSecret}`),
    'the ids of another': sealed(`dkt_${evesIds}${secret}`),
    'the user of another': sealed(`dkt_${idsOf(eve.id, own.id)}${secret}`),
    'the token of another': sealed(`dkt_${idsOf(ada.id, eves.id)}${secret}`),
    'the token of another, with its secret, under the own user': sealed(`dkt_${idsOf(ada.id, eves.id)}${evesSecret}`),
    'user and token in the other order': sealed(`dkt_${idsOf(own.id, ada.id)}${secret}`),
    'the user twice': sealed(`dkt_${idsOf(ada.id, ada.id)}${secret}`),
    'a session for a token': sealed(`dkt_${idsOf(ada.id, params.sessionId)}${secret}`),
    'a secret of zeros': sealed(`dkt_${ids}${'0'.repeat(43)}`),
    'a secret of the last digit': sealed(`dkt_${ids}${'z'.repeat(43)}`),
    'the hash of the secret': sealed(`dkt_${ids}${hash.toString('hex').slice(0, 43)}`),
    'nothing but zeros': sealed(`dkt_${'0'.repeat(86)}`),
    'the secret in another case': sealed(`dkt_${ids}${swapped(secret)}`),
    'secret and ids in the other order': sealed(`dkt_${secret}${ids}`),
    expired: expired.token,
    revoked: revoked.token,
    'of a user who is disabled': ofDisabled.token,
    'of a user who is deleted': ofGone.token,
  }
  const malformed: Readonly<Record<string, string>> = {
    'ids that are too large a number': sealed(`dkt_${'z'.repeat(43)}${secret}`),
    'the prefix alone': 'dkt_',
    'the prefix twice': `dkt_${token}`,
    'no prefix': rest,
    'no checksum': token.slice(0, -6),
    'a checksum of zeros': `${token.slice(0, -6)}000000`,
    'the checksum of what follows the prefix': `${token.slice(0, -6)}${sealed(rest.slice(0, -6)).slice(-6)}`,
    'the checksum of another': `${token.slice(0, -6)}${eves.token.slice(-6)}`,
    'the checksum in another case': token.slice(0, -6) + swapped(checksum),
    'another first digit': `dkt_${DIGITS[(DIGITS.indexOf(rest[0] ?? '') + 1) % 62]}${rest.slice(1)}`,
    'another last digit': token.slice(0, -1) + DIGITS[(DIGITS.indexOf(token.at(-1) ?? '') + 1) % 62],
    'without its last digit': token.slice(0, -1),
    'without its first digit': `dkt_${rest.slice(1)}`,
    'half of it': token.slice(0, 48),
    'one digit more': `${token}0`,
    'one digit more, sealed': sealed(`${token.slice(0, -6)}0`),
    'one digit fewer, sealed': sealed(token.slice(0, -7)),
    'twice over': token + token,
    padding: `${token}=`,
    '4,096 digits': `dkt_${'0'.repeat(4092)}`,
    'all small': token.toLowerCase(),
    'all capital': token.toUpperCase(),
    ...Object.fromEntries(
      ['DKT_', 'Dkt_', 'dKt_', 'dkt-', 'dkt.', 'dkt', 'dk_', 'kt_', 'dkt__', '_dkt_', 'xdkt_', 'dkt_~', 'ghp_', 'sk_live_'].map((prefix) => [
        `the prefix ${prefix}`,
        prefix + rest,
      ]),
    ),
    ...Object.fromEntries(['-', '_', '.', '~', '+', '/'].map((other) => [`${other} among the digits`, sealed(`dkt_${other}${rest.slice(1, -6)}`)])),
    'an access token behind the prefix': `dkt_${ada.accessToken}`,
    'a refresh token behind the prefix': `dkt_${ada.refreshToken}`,
    'the token as parts of a JWT': `${token}.${token}.${token}`,
    'the token as the payload of a JWT': `${ada.accessToken.split('.')[0]}.${Buffer.from(token).toString('base64url')}.${ada.accessToken.split('.')[2]}`,
    'the token as base 64': Buffer.from(token).toString('base64'),
    'its id': own.id,
    'its secret': secret,
    'its name': 'x',
    'a comma and another': `${token},${eves.token}`,
    'a space and another': `${token} ${eves.token}`,
    'an escape behind it': `${token}%0a`,
    'NUL, escaped': `${token}%00`,
    'quotes around it': `"${token}"`,
    'the scheme twice': `Bearer ${token}`,
  }

  for (const [what, bad] of Object.entries({ ...unknown, ...malformed })) {
    t.test(`${UNAUTHENTICATED} on every operation: ${what}`, async (t) => {
      const answers = await Promise.all(
        SECURED.map(async (id) => {
          const answer = await call(url, id, bad, acceptable(id, params))
          return [id, verdictOf({ ...answer, body: answer.text }), answer.headers.get('www-authenticate')]
        }),
      )
      t.strictSame(
        answers,
        SECURED.map((id) => [id, UNAUTHENTICATED, INVALID]),
      )
    })
  }

  t.test('whatever the database knows of a token that it refuses, the answer is the same to the byte', async (t) => {
    const answers = await Promise.all(
      Object.values(unknown).map(async (bad) => {
        const { headers, text } = await call(url, 'getMe', bad)
        const requestId = headers.get('x-request-id') ?? ''
        return [[...headers].filter(([name]) => name !== 'date'), text].flat().join('\n').replaceAll(requestId, 'the id of the request')
      }),
    )
    t.equal(new Set(answers).size, 1)
  })

  const get = (headers: readonly string[], target = '/api/v1/users/me') => requestOf(`GET ${target}`, headers)
  const json = (target: string, body: unknown, headers: readonly string[] = []) => requestOf(`POST ${target}`, headers, JSON.stringify(body))
  t.test('an API token anywhere but in the Authorization header is none, and is nothing else either', async (t) => {
    expectVerdicts(t, url, [
      ['in the query', get([], `/api/v1/users/me?access_token=${token}`), UNAUTHENTICATED],
      ['in a cookie', get([`Cookie: access_token=${token}; Authorization=Bearer%20${token}`]), UNAUTHENTICATED],
      ['in X-Api-Key', get([`X-Api-Key: ${token}`]), UNAUTHENTICATED],
      ['in X-Auth-Token', get([`X-Auth-Token: ${token}`]), UNAUTHENTICATED],
      ['in the body', json('/api/v1/tasks', { title: 'x', access_token: token }), UNAUTHENTICATED],
      ['as ApiKey', get([`Authorization: ApiKey ${token}`]), UNAUTHENTICATED],
      ['as Token', get([`Authorization: Token ${token}`]), UNAUTHENTICATED],
      ['without a scheme', get([`Authorization: ${token}`]), UNAUTHENTICATED],
      ['as a user of Basic', get([`Authorization: Basic ${Buffer.from(`${token}:`).toString('base64')}`]), UNAUTHENTICATED],
      ['as a password of Basic', get([`Authorization: Basic ${Buffer.from(`${ada.username}:${token}`).toString('base64')}`]), UNAUTHENTICATED],
      ['in two headers', get([`Authorization: Bearer ${token}`, `Authorization: Bearer ${eves.token}`]), '400 MALFORMED_REQUEST'],
      ['over two lines', get([`Authorization: Bearer\r\n ${token}`]), '400 MALFORMED_REQUEST'],
      ['with a carriage return behind it', get([`Authorization: Bearer ${token}\r`]), '400 MALFORMED_REQUEST'],
      ['with NUL behind it', get([`Authorization: Bearer ${token}\0`]), '400 MALFORMED_REQUEST'],
      ['with a tab before it', get([`Authorization: Bearer\t${token}`]), UNAUTHENTICATED],
      ['as a refresh token in JSON', json('/api/v1/auth/refresh', { refreshToken: token }), UNAUTHENTICATED],
      [
        'as a refresh token in a form',
        requestOf('POST /api/v1/auth/token', [FORM], `grant_type=refresh_token&refresh_token=${token}`),
        '400 invalid_grant',
      ],
      ['as a password', json('/api/v1/auth/login', { username: ada.username, password: token }), '401 INVALID_CREDENTIALS'],
      [
        'as a password in a form',
        requestOf('POST /api/v1/auth/token', [FORM], `grant_type=password&username=${ada.username}&password=${token}`),
        '401 invalid_grant',
      ],
      [
        'as the current password',
        json('/api/v1/users/me/delete', { currentPassword: token }, [`Authorization: Bearer ${ada.accessToken}`]),
        '422 body/currentPassword password',
      ],
      // RFC 9110 §5.5: white space around the value of a header is no part of it.
      ['where it belongs, with spaces behind it', get([`Authorization: Bearer ${token}  \t`]), '200'],
      ['where it belongs', get([`Authorization: Bearer ${token}`]), '200'],
    ])
  })

  t.test('scopes: an operation takes the token with its scope alone, and none with all others', async (t) => {
    const others = new Map(
      await Promise.all(
        SCOPES.map(
          async (scope) =>
            [
              scope,
              (
                await created(
                  root,
                  SCOPES.filter((other) => other !== scope),
                )
              ).token,
            ] as const,
        ),
      ),
    )
    const alone = new Map(await Promise.all(SCOPES.map(async (scope) => [scope, (await created(root, [scope])).token] as const)))
    for (const id of SCOPED.filter(forApiTokens)) {
      const [scope = ''] = operations[id].scopes
      const request = acceptable(id, await createIds(as(root)))
      t.match(await call(url, id, others.get(scope), request), { status: 403, body: { code: 'INSUFFICIENT_SCOPE' } }, `${id} without ${scope}`)
      const { status } = await call(url, id, alone.get(scope), request)
      t.ok(status < 300, `${id} with ${scope} alone: ${status}`)
    }
  })

  t.test('somebody else’s ids, and made up ones, with every method', async (t) => {
    const others = await createIds(as(eve))
    const ask = (method: string, target: string, accessToken = ada.accessToken) =>
      requestOf(`${method} ${target}`, [`Authorization: Bearer ${accessToken}`])
    const malformedIds = ['1', '*', '..', 'null', `${own.id}x`, "'%20or%20true--", '%00', `${own.id},${eves.id}`, 'me', 'current', '__proto__']
    expectVerdicts(
      t,
      url,
      [
        `/api/v1/api-tokens/${eves.id}`,
        `/api/v1/api-tokens/${randomUUID()}`,
        `/api/v1/sessions/${others.sessionId}`,
        `/api/v1/sessions/${randomUUID()}`,
      ]
        .flatMap((target): Attack[] => [
          ...['GET', 'PUT', 'PATCH', 'POST', 'HEAD'].map(
            (method): Attack => [`${method} ${target}`, ask(method, target), method === 'HEAD' ? '405' : '405 METHOD_NOT_ALLOWED'],
          ),
          [`DELETE ${target}`, ask('DELETE', target), '404 NOT_FOUND'],
          [`DELETE ${target} with an API token`, ask('DELETE', target, token), '403 FORBIDDEN'],
        ])
        .concat(
          ['GET', 'PATCH', 'DELETE'].flatMap((method): Attack[] => [
            [`${method} a user, by a user`, ask(method, `/api/v1/admin/users/${eve.id}`), '403 FORBIDDEN'],
            [`${method} oneself, by a user`, ask(method, `/api/v1/admin/users/${ada.id}`), '403 FORBIDDEN'],
            [`${method} a user, by an API token of a user`, ask(method, `/api/v1/admin/users/${eve.id}`, token), '403 FORBIDDEN'],
          ]),
          ['PUT', 'POST'].map((method): Attack => [`${method} a user`, ask(method, `/api/v1/admin/users/${eve.id}`), '405 METHOD_NOT_ALLOWED']),
        ),
    )
    for (const id of malformedIds) {
      for (const path of ['api-tokens', 'sessions']) {
        const { status } = await exchange(url, ask('DELETE', `/api/v1/${path}/${id}`))
        t.ok(status === 422 || status === 404 || status === 405, `${path}/${id}: ${status}`)
      }
    }
    t.equal((await as({ accessToken: eves.token })('getMe', { expect: 200 })).body.id, eve.id)
    t.ok((await as(eve)('listSessions', { expect: 200 })).body.items.some(({ id }) => id === others.sessionId))
  })

  t.test('none of this has given anybody a scope that they may not have, or a secret to the database', async (t) => {
    for (const { user_id, scopes } of await db.selectFrom('api_tokens').select(['user_id', 'scopes']).execute())
      t.ok(user_id === root.id || !scopes.includes('admin'))
    const rows = await db.selectFrom('api_tokens').selectAll().execute()
    const text = rows.map((row) => JSON.stringify({ ...row, secret_hash: Buffer.from(row.secret_hash).toString('hex') })).join('\n')
    for (const part of [token, secret, ids, eves.token, evesSecret]) t.notOk(text.includes(part))
    t.notOk((await as(ada)('listApiTokens', { expect: 200 })).text.includes('dkt_'))
  })

  expectNoDefects(t, logged)
})
