import { createHmac } from 'node:crypto'
import t from 'tap'
import { deriveKeys } from '../../src/keys.ts'
import { acceptable, call, createIds, SECURED } from '../contract/walk.ts'
import { type Person, startApp } from '../support/app.ts'
import { type Attack, expectNoDefects, expectVerdicts, requestOf, verdictOf } from './attacks.ts'

const CURRENT = 'cSBXZjNrVHo3THhWMW1QYlI4c1ljRDJnSDVqTjZ1RWE0dg'
const PREVIOUS = 'eTlLcU0yd1pwVDdoUjRuQng2VWYxRGc4SmM1TGFWM3NFaQ'
const FOREIGN = 'TDhkUnQ0V20xWGs2UXo5UHk3SGo1QmcyVmYzTmMwVXNBZQ'
const UNAUTHENTICATED = '401 UNAUTHENTICATED'

/** Which key verifies is said by the token itself, that is, by whoever sends it: it chooses among the ring, and nothing else. */
t.test('key ring', async (t) => {
  const { url, as, context, register, logged } = await startApp(t, { AUTH_SECRET: '', AUTH_KEYS: `${CURRENT},${PREVIOUS}` })
  const ada = await register()
  const params = await createIds(as(ada))
  const [current, previous] = context.keys.accessToken as readonly [{ id: string; bytes: Buffer }, { id: string; bytes: Buffer }]
  const foreign = deriveKeys([FOREIGN]).accessToken[0]

  const encoded = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
  const [head = '', body = ''] = ada.accessToken.split('.')
  const header = JSON.parse(Buffer.from(head, 'base64url').toString())
  const { kid: _, ...nameless } = header
  const signed = (changed: unknown, key: Buffer) => {
    const text = `${encoded(changed)}.${body}`
    return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
  }

  const good: Readonly<Record<string, string>> = {
    'the present key, by its name': signed({ ...header, kid: current.id }, current.bytes),
    'the previous key, by its name': signed({ ...header, kid: previous.id }, previous.bytes),
    'the present key without a name, as version 1.0.0 did': signed(nameless, current.bytes),
  }
  const bad: Readonly<Record<string, string>> = {
    'the name of the previous key over the present one’s signature': signed({ ...header, kid: previous.id }, current.bytes),
    'the name of the present key over the previous one’s signature': signed({ ...header, kid: current.id }, previous.bytes),
    'the previous key without a name': signed(nameless, previous.bytes),
    'a foreign key by its own name': signed({ ...header, kid: foreign.id }, foreign.bytes),
    'a foreign key by the present one’s name': signed({ ...header, kid: current.id }, foreign.bytes),
    'a foreign key by the previous one’s name': signed({ ...header, kid: previous.id }, foreign.bytes),
    'a foreign key without a name': signed(nameless, foreign.bytes),
    'the key of refresh tokens': signed(header, context.keys.refreshToken[0].bytes),
    'the previous key of refresh tokens': signed({ ...header, kid: previous.id }, context.keys.refreshToken[1]?.bytes ?? Buffer.alloc(0)),
    'the previous key of cursors': signed({ ...header, kid: previous.id }, context.keys.cursor[1]?.bytes ?? Buffer.alloc(0)),
    'an empty key by the previous one’s name': signed({ ...header, kid: previous.id }, Buffer.alloc(0)),
    'the name as a key': signed({ ...header, kid: current.id }, Buffer.from(current.id, 'hex')),
    'the previous secret itself': signed({ ...header, kid: previous.id }, Buffer.from(PREVIOUS)),
    ...Object.fromEntries(
      [
        foreign.id,
        '',
        '0',
        '1',
        'none',
        'current',
        ` ${current.id}`,
        `${current.id} `,
        `${current.id}\0`,
        current.id.toUpperCase(),
        current.id.slice(0, -1),
        `${current.id}${previous.id}`,
        '../../../../dev/null',
        '/proc/self/environ',
        "' union select 'x' --",
        '$(id)',
        '__proto__',
        'constructor',
        'toString',
        'x'.repeat(500),
        0,
        1,
        -1,
        1e308,
        true,
        false,
        null,
        [],
        [current.id],
        [previous.id],
        {},
        { id: current.id },
        { toString: current.id },
      ].flatMap((kid) => [
        [`the name ${JSON.stringify(kid).slice(0, 60)} over the present key’s signature`, signed({ ...header, kid }, current.bytes)],
        [`the name ${JSON.stringify(kid).slice(0, 60)} over the previous key’s signature`, signed({ ...header, kid }, previous.bytes)],
      ]),
    ),
    'two names, of which the last is ours': signed(`{"alg":"HS256","typ":"at+jwt","kid":"x","kid":"${previous.id}"}`, current.bytes),
    'a name that is read only by its prototype': signed(`{"alg":"HS256","typ":"at+jwt","__proto__":{"kid":"${previous.id}"}}`, previous.bytes),
    'a critical name': signed({ ...header, crit: ['kid'] }, current.bytes),
    'a critical name of the previous key': signed({ ...header, kid: previous.id, crit: ['kid'] }, previous.bytes),
    'an unknown critical header': signed({ ...header, crit: ['exp'], exp: 1 }, previous.bytes),
    'the previous key and no algorithm': signed({ ...header, kid: previous.id, alg: 'none' }, previous.bytes),
    'the previous key and another algorithm': signed({ ...header, kid: previous.id, alg: 'HS512' }, previous.bytes),
    'the previous key and another type': signed({ ...header, kid: previous.id, typ: 'JWT' }, previous.bytes),
  }

  for (const [what, token] of Object.entries(good)) {
    t.test(`200: ${what}`, async (t) => {
      t.equal((await as({ accessToken: token })('getMe', { expect: 200 })).body.id, ada.id)
    })
  }

  for (const [what, token] of Object.entries(bad)) {
    t.test(`${UNAUTHENTICATED} on every operation: ${what}`, async (t) => {
      const answers = await Promise.all(
        SECURED.map(async (id) => {
          const answer = await call(url, id, token, acceptable(id, params))
          return [id, verdictOf({ ...answer, body: answer.text })]
        }),
      )
      t.strictSame(
        answers,
        SECURED.map((id) => [id, UNAUTHENTICATED]),
      )
    })
  }

  t.test('refresh tokens and cursors name no key: those of a foreign one are refused, those of the previous one are not', async (t) => {
    const bytes = Buffer.from(ada.refreshToken, 'base64url')
    const refresh = (key: Buffer) => {
      const text = Buffer.concat([bytes.subarray(0, 36), createHmac('sha256', key).update(bytes.subarray(0, 36)).digest()]).toString('base64url')
      return requestOf('POST /api/v1/auth/refresh', [], JSON.stringify({ refreshToken: text }))
    }
    await as(ada)('createList', { body: { title: 'x' }, expect: 201 })
    const { body: page } = await as(ada)('listLists', { query: { limit: 1 }, expect: 200 })
    const cursorBytes = Buffer.from(page.nextCursor ?? '', 'base64url').subarray(16)
    const list = (key: Buffer, person: Person = ada) => {
      const signature = createHmac('sha256', key).update(`lists ${ada.id}\n`).update(cursorBytes).digest().subarray(0, 16)
      const cursor = Buffer.concat([signature, cursorBytes]).toString('base64url')
      return requestOf(`GET /api/v1/lists?cursor=${cursor}`, [`Authorization: Bearer ${person.accessToken}`])
    }
    const theirs = deriveKeys([FOREIGN])
    const eve = await register()
    const key = (ring: readonly { bytes: Buffer }[], index: number) => ring[index]?.bytes ?? Buffer.alloc(0)
    const rows: readonly Attack[] = [
      ['a refresh token by a foreign key', refresh(theirs.refreshToken[0].bytes), UNAUTHENTICATED],
      ['a refresh token by the previous key of access tokens', refresh(previous.bytes), UNAUTHENTICATED],
      ['a refresh token by the previous key of cursors', refresh(key(context.keys.cursor, 1)), UNAUTHENTICATED],
      ['a cursor by a foreign key', list(theirs.cursor[0].bytes), '422 query/cursor cursor'],
      ['a cursor by the previous key of access tokens', list(previous.bytes), '422 query/cursor cursor'],
      ['a cursor by the previous key, of somebody else', list(key(context.keys.cursor, 1), eve), '422 query/cursor cursor'],
      ['a cursor by the previous key', list(key(context.keys.cursor, 1)), '200'],
      ['a refresh token by the previous key', refresh(key(context.keys.refreshToken, 1)), '200'],
    ]
    expectVerdicts(t, url, rows)
  })

  expectNoDefects(t, logged)
})
