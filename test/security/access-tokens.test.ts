import { createHmac, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto'
import t from 'tap'
import { acceptable, call, createIds, SECURED } from '../contract/walk.ts'
import { PASSWORD, startApp } from '../support/app.ts'
import { expectNoDefects, expectVerdicts, requestOf, verdictOf } from './attacks.ts'

type Json = Record<string, unknown>

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const INVALID = 'Bearer realm="docket", error="invalid_token"'
const UNAUTHENTICATED = '401 UNAUTHENTICATED'
const EXPIRED = '401 TOKEN_EXPIRED'

const encoded = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const hmac = (key: Buffer | KeyObject, text: string, hash = 'sha256') => createHmac(hash, key).update(text).digest('base64url')

/** Every way to be refused, on every operation that needs a token: there is one door, and it is the same one everywhere. */
t.test('access tokens', async (t) => {
  const { as, context, register, registerAdmin, url, logged } = await startApp(t)
  const key = context.keys.accessToken[0].bytes
  const [root, eve, bob, gone, disabled, out, late] = [
    await registerAdmin(),
    await register(),
    await register(),
    await register(),
    await register(),
    await register(),
    await register(),
  ]
  const params = await createIds(as(root))
  const now = Math.floor(Date.now() / 1000)

  const parts = (token: string) => token.split('.') as [string, string, string]
  const [head, body, signature] = parts(root.accessToken)
  const read = (part: string): Json => JSON.parse(Buffer.from(part, 'base64url').toString())
  const header = read(head)
  const claims = read(body)
  const evesClaims = read(parts(eve.accessToken)[1])
  const signed = (claimed: unknown, by: unknown = header, hash = 'sha256') => {
    const text = `${encoded(by)}.${encoded(claimed)}`
    return `${text}.${hmac(key, text, hash)}`
  }
  const withHeader = (changes: Json) => signed(claims, { ...header, ...changes })
  const withClaims = (changes: Json) => signed({ ...claims, ...changes })
  const without = (record: Json, name: string) => Object.fromEntries(Object.entries(record).filter(([other]) => other !== name))
  const unsigned = (alg: unknown, end = '') => `${encoded({ ...header, alg })}.${body}.${end}`
  const by = (alg: string, hash: string | null, privateKey: KeyObject) => {
    const text = `${encoded({ ...header, alg })}.${body}`
    return `${text}.${sign(hash, Buffer.from(text), alg.startsWith('ES') ? { key: privateKey, dsaEncoding: 'ieee-p1363' } : privateKey).toString('base64url')}`
  }
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ed = generateKeyPairSync('ed25519')
  const jwk = rsa.publicKey.export({ format: 'jwk' })
  const pem = rsa.publicKey.export({ format: 'pem', type: 'spki' })
  const last = ALPHABET.indexOf(signature.at(-1) ?? '')

  await context.db.deleteFrom('users').where('id', '=', gone.id).execute()
  await context.db.updateTable('users').set({ disabled_at: new Date().toISOString() }).where('id', '=', disabled.id).execute()
  await as(out)('logout', { expect: 204 })
  await context.db
    .updateTable('sessions')
    .set({ expires_at: new Date(Date.now() - 1000).toISOString() })
    .where('user_id', '=', late.id)
    .execute()

  const tokens: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    'no signature': {
      ...Object.fromEntries(['none', 'None', 'NONE', 'nOnE', ' none', 'none\0', ''].map((alg) => [`alg ${JSON.stringify(alg)}`, unsigned(alg)])),
      ...Object.fromEntries(['none', 'None', 'NONE'].map((alg) => [`alg ${alg}, with a signature`, unsigned(alg, signature)])),
      'alg none, properly signed': withHeader({ alg: 'none' }),
      'alg none, without a type': `${encoded({ alg: 'none' })}.${body}.`,
      'the token without its signature': `${head}.${body}.`,
      'the token without its last part': `${head}.${body}`,
      'a signature of one character': `${head}.${body}.A`,
      'a signature of zeros': `${head}.${body}.${'A'.repeat(43)}`,
      'half of the signature': `${head}.${body}.${signature.slice(0, 21)}`,
    },
    'another algorithm': {
      'HS384 with our key': signed(claims, { ...header, alg: 'HS384' }, 'sha384'),
      'HS512 with our key': signed(claims, { ...header, alg: 'HS512' }, 'sha512'),
      'SHA-512 that calls itself HS256': signed(claims, header, 'sha512'),
      'RS256 with a key of the client': by('RS256', 'sha256', rsa.privateKey),
      'ES256 with a key of the client': by('ES256', 'sha256', ec.privateKey),
      'EdDSA with a key of the client': by('EdDSA', null, ed.privateKey),
      ...Object.fromEntries(
        ['RS256', 'PS256', 'ES256', 'EdDSA'].map((alg) => [`${alg} that is HS256 with our key (confusion)`, withHeader({ alg })]),
      ),
      'HS256 with a public key for a secret (confusion)': `${head}.${body}.${hmac(Buffer.from(pem), `${head}.${body}`)}`,
      ...Object.fromEntries(
        ['hs256', 'HS-256', 'HS256 ', ' HS256', 'H\u{17f}256', 'unknown', 'PBES2-HS256+A128KW', 'dir', 1, null, true, ['HS256'], { HS256: true }].map(
          (alg) => [`alg ${JSON.stringify(alg)}`, withHeader({ alg })],
        ),
      ),
      'no alg': signed(claims, without(header, 'alg')),
    },
    'another key': {
      'an empty key': `${head}.${body}.${hmac(Buffer.alloc(0), `${head}.${body}`)}`,
      ...Object.fromEntries(
        ['secret', 'changeme', 'docket', 'test-secret', 'your-256-bit-secret'].map((secret) => [
          `the key "${secret}"`,
          `${head}.${body}.${hmac(Buffer.from(secret), `${head}.${body}`)}`,
        ]),
      ),
      'the key of refresh tokens': `${head}.${body}.${hmac(context.keys.refreshToken[0].bytes, `${head}.${body}`)}`,
      'the key of cursors': `${head}.${body}.${hmac(context.keys.cursor[0].bytes, `${head}.${body}`)}`,
      'the secret itself': `${head}.${body}.${hmac(Buffer.from(context.config.auth.secrets?.[0] ?? ''), `${head}.${body}`)}`,
      'our key as text': `${head}.${body}.${hmac(Buffer.from(key.toString('base64')), `${head}.${body}`)}`,
      'the signature of another token': `${head}.${body}.${parts(eve.accessToken)[2]}`,
      'the payload of another token': `${head}.${parts(eve.accessToken)[1]}.${signature}`,
      'the signature of head and body in the other order': `${head}.${body}.${hmac(key, `${body}.${head}`)}`,
    },
    'the header': {
      'the type of other JWTs': withHeader({ typ: 'JWT' }),
      'the type of refresh tokens': withHeader({ typ: 'rt+jwt' }),
      'the type of identity tokens': withHeader({ typ: 'id_token' }),
      'an empty type': withHeader({ typ: '' }),
      'a type that is no text': withHeader({ typ: 1 }),
      'no type': signed(claims, without(header, 'typ')),
      'an unknown critical header': withHeader({ crit: ['b64'], b64: false }),
      'a known critical header': withHeader({ crit: ['exp'], exp: now }),
      'no critical header': withHeader({ crit: [] }),
      'another text for the same header': `${encoded({ typ: header['typ'], alg: header['alg'] })}.${body}.${signature}`,
      'a header that is a list': signed(claims, [header]),
      'a header that is a text': signed(claims, '"HS256"'),
      'a header that is null': signed(claims, 'null'),
      'an empty header': signed(claims, ''),
      'a header that is no JSON': signed(claims, '{alg:HS256}'),
      'a header that is no UTF-8': `${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.${body}.${signature}`,
    },
    'the claims': {
      ...Object.fromEntries(['iss', 'aud', 'sub', 'sid', 'iat', 'exp'].map((name) => [`no ${name}`, signed(without(claims, name))])),
      ...Object.fromEntries(
        ['somebody else', '', 'DOCKET', 'docket ', 'docket\n', null, 1, ['somebody else'], {}].map((iss) => [
          `iss ${JSON.stringify(iss)}`,
          withClaims({ iss }),
        ]),
      ),
      ...Object.fromEntries(
        ['another-api', '', 'docket-api-2', 'xdocket-api', 'docket', null, 1, [], ['another-api'], {}].map((aud) => [
          `aud ${JSON.stringify(aud)}`,
          withClaims({ aud }),
        ]),
      ),
      ...Object.fromEntries(
        [
          'ada',
          '',
          '1',
          1,
          0,
          true,
          null,
          [],
          [root.id],
          {},
          { $ne: null },
          "' or true --",
          `${root.id} `,
          `{${root.id}}`,
          root.id.replaceAll('-', ''),
        ].map((sub) => [`sub ${JSON.stringify(sub)}`, withClaims({ sub })]),
      ),
      'sub of nobody': withClaims({ sub: randomUUID() }),
      'sub of all zeros': withClaims({ sub: '00000000-0000-0000-0000-000000000000' }),
      'sub of somebody else with the own session': withClaims({ sub: eve.id }),
      ...Object.fromEntries(
        ['x', '', 1, null, ['x'], { $ne: null }, "' or true --", '*', '00000000-0000-0000-0000-000000000000', randomUUID()].map((sid) => [
          `sid ${JSON.stringify(sid)}`,
          withClaims({ sid }),
        ]),
      ),
      'sid of the session of somebody else': withClaims({ sid: evesClaims['sid'] }),
      'sid that is the id of a user': withClaims({ sid: root.id }),
      ...Object.fromEntries(
        [String(claims['exp']), 'never', '', null, true, [claims['exp']], {}, `${now + 900}`].map((exp) => [
          `exp ${JSON.stringify(exp)}`,
          withClaims({ exp }),
        ]),
      ),
      'exp of 1e400': signed(JSON.stringify(claims).replace(/"exp":\d+/, '"exp":1e400')),
      'exp in a thousand years': withClaims({ exp: now + 31_536_000_000 }),
      'exp in a year': withClaims({ exp: now + 31_536_000 }),
      'exp beyond what Date can hold': withClaims({ exp: 8_640_000_000_001 }),
      'nbf in an hour': withClaims({ nbf: now + 3600 }),
      'nbf that is a text': withClaims({ nbf: 'now' }),
      'iat in an hour': withClaims({ iat: now + 3600, exp: now + 4500 }),
      'iat in a thousand years': withClaims({ iat: now + 31_536_000_000, exp: now + 31_536_000_900 }),
      'iat that is a text': withClaims({ iat: String(claims['iat']) }),
      'iat that is null': withClaims({ iat: null }),
      'iat of 1970': withClaims({ iat: 0 }),
      'iat behind exp': withClaims({ iat: now + 100, exp: now + 50 }),
      ...Object.fromEntries(
        ['null', '1', 'true', '"text"', '[]', `[${JSON.stringify(claims)}]`, 'no JSON', '', '{', `${JSON.stringify(claims)}x`].map((text) => [
          `a payload that is ${text.slice(0, 20)}`,
          signed(text),
        ]),
      ),
      'a payload that is no UTF-8': (() => {
        const text = `${head}.${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}`
        return `${text}.${hmac(key, text)}`
      })(),
    },
    'the text': {
      ...Object.fromEntries([1, 2, 3].map((bits) => [`spare bits ${bits} of the signature`, root.accessToken.slice(0, -1) + ALPHABET[last ^ bits]])),
      'another last character': root.accessToken.slice(0, -1) + ALPHABET[last ^ 4],
      'without its last character': root.accessToken.slice(0, -1),
      'without its first character': root.accessToken.slice(1),
      'one character more': `${root.accessToken}A`,
      'padding behind it': `${root.accessToken}=`,
      'padding behind the header': `${head}=.${body}.${signature}`,
      'padding behind the payload': `${head}.${body}=.${signature}`,
      'a dot behind it': `${root.accessToken}.`,
      'a dot before it': `.${root.accessToken}`,
      'an empty header': `.${body}.${signature}`,
      'an empty payload': `${head}..${signature}`,
      'nothing but dots': '..',
      'four parts': `${root.accessToken}.${signature}`,
      'five parts, as encrypted tokens have': `${head}.${body}.${signature}.${body}.${signature}`,
      'an encrypted token (JWE)': `${encoded({ alg: 'dir', enc: 'A128CBC-HS256' })}..${'A'.repeat(22)}.${'A'.repeat(64)}.${'A'.repeat(22)}`,
      'an encrypted token with a password of many rounds (PBES2)': `${encoded({ alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 2 ** 31 })}.${'A'.repeat(22)}.${'A'.repeat(16)}.${'A'.repeat(22)}.${'A'.repeat(22)}`,
      'the other base 64':
        [head, body, Buffer.from(signature, 'base64url').toString('base64').replace('=', '')].join('.').replaceAll('-', '+').replaceAll('_', '/') +
        '+',
      'a token in JSON': encoded({ payload: body, protected: head, signature }),
      'another case': root.accessToken.toLowerCase(),
      'the refresh token': root.refreshToken,
      'an API token that nobody made': 'dkt_0123456789_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG_000000',
      undefined: 'undefined',
      null: 'null',
      'an id of a session': String(claims['sid']),
      '2 KiB': 'A'.repeat(2049),
      '4 KiB and a byte': 'A'.repeat(4097),
      '8 KiB': `${head}.${'A'.repeat(8192)}.${signature}`,
      '8 KiB, properly signed': signed({ ...claims, extra: 'x'.repeat(6000) }),
    },
    'who is not there any more': {
      'a user who is deleted': gone.accessToken,
      'a user who is disabled': disabled.accessToken,
      'a session that has ended': out.accessToken,
      'a session that has expired': late.accessToken,
    },
  }
  const expired: Readonly<Record<string, string>> = {
    'exp a second ago': withClaims({ iat: now - 901, exp: now - 1 }),
    'exp yesterday': withClaims({ iat: now - 87_300, exp: now - 86_400 }),
    'exp in 1970': withClaims({ iat: 0, exp: 0 }),
    'exp before 1970': withClaims({ iat: -900, exp: -1 }),
  }

  const refusedEverywhere = (what: string, authorization: string, verdict: string) =>
    t.test(`${verdict} on every operation: ${what}`, async (t) => {
      const answers = await Promise.all(
        SECURED.map(async (id) => {
          const answer = await call(url, id, undefined, { ...acceptable(id, params), headers: { Authorization: authorization } })
          return [id, verdictOf({ ...answer, body: answer.text }), answer.headers.get('www-authenticate')]
        }),
      )
      t.strictSame(
        answers,
        SECURED.map((id) => [id, verdict, INVALID]),
      )
    })

  for (const [area, rows] of Object.entries(tokens)) {
    for (const [what, token] of Object.entries(rows)) refusedEverywhere(`${area}: ${what}`, `Bearer ${token}`, UNAUTHENTICATED)
  }
  for (const [what, token] of Object.entries(expired)) refusedEverywhere(what, `Bearer ${token}`, EXPIRED)

  const { accessToken } = root
  for (const authorization of [
    'Bearer',
    'Bearer ',
    'bearer',
    accessToken,
    `Token ${accessToken}`,
    `JWT ${accessToken}`,
    `DPoP ${accessToken}`,
    `MAC ${accessToken}`,
    `Basic ${Buffer.from(`${root.username}:${PASSWORD}`).toString('base64')}`,
    `Basic ${Buffer.from(`Bearer:${accessToken}`).toString('base64')}`,
    'Basic Og==',
    `Digest username="${root.username}"`,
    'Negotiate YII',
    `Bearer\t${accessToken}`,
    `Bearer: ${accessToken}`,
    `Bearer=${accessToken}`,
    `Bearer ${accessToken} x`,
    `Bearer ${accessToken},`,
    `Bearer ${accessToken}, Bearer ${accessToken}`,
    `Bearer ${accessToken};realm=docket`,
    `Bearer "${accessToken}"`,
    `Bearer <${accessToken}>`,
    `Bearer Bearer ${accessToken}`,
    `BearerBearer ${accessToken}`,
    `Bearer${accessToken}`,
    `Bearer token=${accessToken}`,
    `Bearer ${accessToken.replaceAll('.', '%2E')}`,
    `Bearer ${accessToken}%00`,
    'Bearer \u00e4.\u00f6.\u00fc',
    `Bearer ${'A'.repeat(10_000)}`,
    `Bearer ${'.'.repeat(4000)}`,
    `Bearer${' '.repeat(8000)}`,
  ]) {
    refusedEverywhere(`Authorization: ${authorization.replaceAll(accessToken, '<token>').slice(0, 60)}`, authorization, UNAUTHENTICATED)
  }

  t.test('401: a key that the token names, or where to find one, is neither trusted nor fetched', async (t) => {
    const urls = ['jku', 'x5u'].flatMap((name) => [{ [name]: `${url}/openapi.json` }, { [name]: 'file:///dev/null' }])
    const kids = ['../../../../dev/null', "' union select 'x' --", '|id', '\0', '__proto__', '1'.repeat(255)].map((kid) => ({ kid }))
    for (const changes of [...urls, ...kids, { jwk }, { x5c: ['MIIB'] }]) {
      const text = `${encoded({ ...header, ...changes })}.${body}`
      for (const theirs of ['', 'x', '\0']) {
        t.equal((await call(url, 'getMe', `${text}.${hmac(Buffer.from(theirs), text)}`)).status, 401, JSON.stringify(changes).slice(0, 60))
      }
    }
    t.notOk(logged.some((line) => line['path'] === '/openapi.json'))
  })

  const bare = (line: string, headers: readonly string[] = [], body?: string) => requestOf(line, headers, body)
  t.test('a token anywhere but in the Authorization header is none', async (t) => {
    expectVerdicts(t, url, [
      ['in the query, as RFC 6750 §2.3 once had it', bare(`GET /api/v1/users/me?access_token=${accessToken}`), UNAUTHENTICATED],
      ['in the query as token', bare(`GET /api/v1/users/me?token=${accessToken}`), UNAUTHENTICATED],
      ['in a cookie', bare('GET /api/v1/users/me', [`Cookie: access_token=${accessToken}; Authorization=Bearer%20${accessToken}`]), UNAUTHENTICATED],
      ['in X-Authorization', bare('GET /api/v1/users/me', [`X-Authorization: Bearer ${accessToken}`]), UNAUTHENTICATED],
      ['in X-Access-Token', bare('GET /api/v1/users/me', [`X-Access-Token: ${accessToken}`]), UNAUTHENTICATED],
      ['in X-Api-Key', bare('GET /api/v1/users/me', [`X-Api-Key: ${accessToken}`]), UNAUTHENTICATED],
      ['in Proxy-Authorization', bare('GET /api/v1/users/me', [`Proxy-Authorization: Bearer ${accessToken}`]), UNAUTHENTICATED],
      ['in Sec-WebSocket-Protocol', bare('GET /api/v1/users/me', [`Sec-WebSocket-Protocol: bearer, ${accessToken}`]), UNAUTHENTICATED],
      ['in the URL', bare(`GET http://Bearer:${accessToken}@localhost/api/v1/users/me`), UNAUTHENTICATED],
      [
        'in the body, as RFC 6750 §2.2 once had it',
        bare('POST /api/v1/tasks', [], JSON.stringify({ title: 'x', access_token: accessToken })),
        UNAUTHENTICATED,
      ],
      [
        'in the user name of X-Forwarded-User',
        bare('GET /api/v1/users/me', [`X-Forwarded-User: ${root.username}`, 'X-Remote-User: root']),
        UNAUTHENTICATED,
      ],
      [
        'in two Authorization headers',
        bare('GET /api/v1/users/me', [`Authorization: Bearer ${accessToken}`, 'Authorization: Basic Og==']),
        '400 MALFORMED_REQUEST',
      ],
      ['over two lines', bare('GET /api/v1/users/me', [`Authorization: Bearer\r\n ${accessToken}`]), '400 MALFORMED_REQUEST'],
      [
        'beside one in the query',
        bare(`GET /api/v1/users/me?access_token=${accessToken}`, [`Authorization: Bearer ${accessToken}`]),
        '422 query/access_token additionalProperties',
      ],
      ['where it belongs', bare('GET /api/v1/users/me', [`Authorization: Bearer ${accessToken}`]), '200'],
    ])
  })

  t.test('the tokens that these are made of still work, and those of others have come to no harm', async (t) => {
    for (const person of [root, eve, bob]) t.equal((await as(person)('getMe', { expect: 200 })).body.id, person.id)
  })

  expectNoDefects(t, logged)
})
