import { createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import t from 'tap'
import { PASSWORD, startApp } from '../support/app.ts'
import { send, textOf } from '../support/client.ts'
import { checkAnswer } from '../support/contract-check.ts'

type Json = Record<string, unknown>

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const INVALID = 'Bearer realm="docket", error="invalid_token"'
const HEADER = { alg: 'HS256', typ: 'at+jwt' }

const encoded = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** A JWT with whatever header and payload, under an HMAC. */
function signed(key: Buffer, header: unknown, payload: unknown, hash = 'sha256'): string {
  const text = `${encoded(header)}.${encoded(payload)}`
  return `${text}.${createHmac(hash, key).update(text).digest('base64url')}`
}

t.test('access tokens', async (t) => {
  const { as, context, register, url, logged } = await startApp(t)
  const key = context.keys.accessToken[0].bytes
  const ada = await register()
  const [head = '', body = '', signature = ''] = ada.accessToken.split('.')
  const claims: Json = JSON.parse(Buffer.from(body, 'base64url').toString())
  const now = Math.floor(Date.now() / 1000)

  const getMe = async (authorization?: string) => {
    const response = await send(url, 'getMe', undefined, authorization === undefined ? {} : { headers: { Authorization: authorization } })
    const text = await textOf(response)
    checkAnswer('getMe', response.status, response.headers, text)
    return { status: response.status, challenge: response.headers.get('www-authenticate'), code: JSON.parse(text).code }
  }
  const refused = { status: 401, challenge: INVALID, code: 'UNAUTHENTICATED' }

  t.test('say who and until when, and no more', async (t) => {
    t.same(JSON.parse(Buffer.from(head, 'base64url').toString()), { ...HEADER, kid: context.keys.accessToken[0].id })
    t.match(claims, { iss: 'docket', aud: 'docket-api', sub: ada.id, sid: /^[0-9a-f-]{36}$/ })
    t.equal(Number(claims['exp']) - Number(claims['iat']), 900)
    t.same(Object.keys(claims).sort(), ['aud', 'exp', 'iat', 'iss', 'sid', 'sub'])
    t.same(
      await getMe(`Bearer ${signed(key, HEADER, { ...claims, extra: 1 })}`),
      { status: 200, challenge: null, code: undefined },
      'the tests below sign properly',
    )
  })

  t.test('401 without one: asks for a token, and names no error', async (t) => {
    t.same(await getMe(), { status: 401, challenge: 'Bearer realm="docket"', code: 'UNAUTHENTICATED' })
  })

  t.test('200: the name of the scheme in any case, and more than one space behind it (RFC 9110 §11.4)', async (t) => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER', 'Bearer ', 'bEaReR   '])
      t.equal((await getMe(`${scheme} ${ada.accessToken}`)).status, 200, scheme)
  })

  t.test('401: another scheme, or no token behind it', async (t) => {
    for (const authorization of [
      '',
      'Bearer',
      'Bearer ',
      ada.accessToken,
      `Token ${ada.accessToken}`,
      `Basic ${Buffer.from(`${ada.username}:${PASSWORD}`).toString('base64')}`,
      'Basic Og==',
      `Bearer\t${ada.accessToken}`,
      `Bearer: ${ada.accessToken}`,
      `Bearer "${ada.accessToken}"`,
      `Bearer ${ada.accessToken} ${ada.accessToken}`,
      `Bearer ${ada.accessToken},Bearer ${ada.accessToken}`,
      `Bearer ${ada.refreshToken}`,
      'Bearer undefined',
      'Bearer null',
      'Bearer ...',
      'Bearer ..',
      'Bearer .',
      'Bearer =',
      'Bearer a.b.c',
      'Bearer \u00e4.\u00f6.\u00fc',
      `Bearer ${'A'.repeat(10_000)}`,
      `Bearer ${encoded(HEADER)}.${'A'.repeat(10_000)}.${signature}`,
    ]) {
      t.same(await getMe(authorization), refused, JSON.stringify(authorization.slice(0, 60)))
    }
  })

  t.test('401: not the text that was signed', async (t) => {
    const last = ALPHABET.indexOf(signature.at(-1) ?? '')
    for (const token of [
      // The last character of 32 bytes has two spare bits.
      ...[1, 2, 3].map((bits) => ada.accessToken.slice(0, -1) + ALPHABET[last ^ bits]),
      ...[4, 32].map((bits) => ada.accessToken.slice(0, -1) + ALPHABET[last ^ bits]),
      ...[1, 5, 40].map((end) => ada.accessToken.slice(0, -end)),
      `${ada.accessToken}=`,
      `${ada.accessToken}A`,
      `${ada.accessToken}.`,
      `.${ada.accessToken}`,
      `${ada.accessToken}.${signature}`,
      `${head}.${body}.`,
      `${head}.${body}`,
      `${head}..${signature}`,
      `.${body}.${signature}`,
      `${head}.${encoded({ ...claims, sub: randomUUID() })}.${signature}`,
      `${encoded({ ...HEADER, kid: '1' })}.${body}.${signature}`,
      `${head}=.${body}.${signature}`,
      `${head}.${body}==.${signature}`,
      signed(Buffer.from('another key'), HEADER, claims),
      signed(Buffer.alloc(0), HEADER, claims),
      signed(context.keys.refreshToken[0].bytes, HEADER, claims),
      signed(context.keys.cursor[0].bytes, HEADER, claims),
    ]) {
      t.same(await getMe(`Bearer ${token}`), refused, token.slice(-60))
    }
  })

  t.test('401: another algorithm or type', async (t) => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const bySignature = (alg: string, sigBy: (text: Buffer) => Buffer) => {
      const text = `${encoded({ ...HEADER, alg })}.${body}`
      return `${text}.${sigBy(Buffer.from(text)).toString('base64url')}`
    }
    const none = ['none', 'None', 'NONE', 'nOnE'].flatMap((alg) => {
      const text = `${encoded({ ...HEADER, alg })}.${body}`
      return [`${text}.`, `${text}.${signature}`, signed(key, { ...HEADER, alg }, claims)]
    })
    for (const token of [
      ...none,
      signed(key, { ...HEADER, alg: 'HS512' }, claims, 'sha512'),
      signed(key, { ...HEADER, alg: 'HS384' }, claims, 'sha384'),
      signed(key, { ...HEADER, alg: 'hs256' }, claims),
      bySignature('RS256', (text) => sign('sha256', text, rsa.privateKey)),
      signed(key, { ...HEADER, alg: 'RS256' }, claims),
      signed(key, { ...HEADER, alg: 'EdDSA' }, claims),
      signed(key, { ...HEADER, alg: 'unknown' }, claims),
      signed(key, { ...HEADER, alg: 1 }, claims),
      signed(key, { ...HEADER, alg: ['HS256'] }, claims),
      signed(key, { typ: 'at+jwt' }, claims),
      signed(key, { alg: 'HS256' }, claims),
      signed(key, { ...HEADER, typ: 'JWT' }, claims),
      signed(key, { ...HEADER, typ: 1 }, claims),
      signed(key, { ...HEADER, crit: ['exp'] }, claims),
      signed(key, [HEADER], claims),
      signed(key, 'HS256', claims),
      signed(key, 'null', claims),
      signed(key, '', claims),
    ]) {
      t.same(await getMe(`Bearer ${token}`), refused, Buffer.from(token.split('.')[0] ?? '', 'base64url').toString())
    }
  })

  t.test('401: claims that are missing or wrong, though properly signed', async (t) => {
    const without = (name: string) => Object.fromEntries(Object.entries(claims).filter(([claim]) => claim !== name))
    for (const payload of [
      ...['iss', 'aud', 'sub', 'sid', 'iat', 'exp'].map(without),
      { ...claims, iss: 'somebody else' },
      { ...claims, iss: ['somebody else'] },
      { ...claims, aud: 'another-api' },
      { ...claims, aud: ['another-api'] },
      { ...claims, aud: [] },
      { ...claims, aud: null },
      { ...claims, sub: randomUUID() },
      { ...claims, sub: 1 },
      { ...claims, sub: null },
      { ...claims, sub: 'ada' },
      { ...claims, sub: "' or true --" },
      { ...claims, sub: [ada.id] },
      { ...claims, sid: randomUUID() },
      { ...claims, sid: 1 },
      { ...claims, sid: 'no UUID' },
      { ...claims, sid: { $ne: null } },
      { ...claims, exp: String(claims['exp']) },
      { ...claims, exp: null },
      { ...claims, exp: [claims['exp']] },
      { ...claims, exp: 'never' },
      { ...claims, nbf: now + 3600 },
      { ...claims, nbf: 'now' },
      'null',
      '1',
      '"text"',
      '[]',
      'no JSON',
      '',
    ]) {
      t.same(await getMe(`Bearer ${signed(key, HEADER, payload)}`), refused, JSON.stringify(payload))
    }
  })

  t.test('401 TOKEN_EXPIRED: past its time, though known from before', async (t) => {
    for (const exp of [now - 1, now - 86_400, 0, -1]) {
      t.same(await getMe(`Bearer ${signed(key, HEADER, { ...claims, exp })}`), { ...refused, code: 'TOKEN_EXPIRED' }, String(exp))
    }
    let almost = ''
    let answer = refused as Awaited<ReturnType<typeof getMe>>
    while (answer.status !== 200) {
      almost = `Bearer ${signed(key, HEADER, { ...claims, exp: Math.floor(Date.now() / 1000) + 2 })}`
      answer = await getMe(almost)
    }
    while (answer.status === 200) answer = await getMe(almost)
    t.same(answer, { ...refused, code: 'TOKEN_EXPIRED' })
  })

  t.test('401: the session has expired or is gone, though the token has not', async (t) => {
    const sessionOf = (accessToken: string): string => JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString()).sid
    const [eve, bob] = [await register(), await register()]
    await context.db
      .updateTable('sessions')
      .set({ expires_at: new Date(Date.now() - 1000).toISOString() })
      .where('id', '=', sessionOf(eve.accessToken))
      .execute()
    t.same(await getMe(`Bearer ${eve.accessToken}`), refused)
    await context.db.deleteFrom('users').where('id', '=', bob.id).execute()
    t.same(await getMe(`Bearer ${bob.accessToken}`), refused)
    t.same(await getMe(`Bearer ${signed(key, HEADER, { ...claims, sub: bob.id })}`), refused, "one user's session in another's name")
  })

  t.test('none of this was an error of ours, and the token itself still works', async (t) => {
    t.same(
      logged.filter(({ level }) => Number(level) >= 50),
      [],
    )
    t.equal((await as(ada)('getMe')).status, 200)
  })
})
