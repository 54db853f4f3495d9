import t from 'tap'
import { everyHandler, serve } from '../contract/walk.ts'
import { PASSWORD, startApp } from '../support/app.ts'
import { type Attack, expectNoDefects, expectVerdicts, requestOf } from './attacks.ts'

const INTERNAL = '500 INTERNAL_ERROR'
const AWAY = '503 UNAVAILABLE'

/** Errors as drivers, libraries and runtimes throw them, with what they tell about the inside. */
const THROWN: Readonly<Record<string, readonly [thrown: () => unknown, verdict: string]>> = {
  'an error with a statement': [() => new Error('select password_hash from users where id = $1'), INTERNAL],
  'an error with a cause': [() => new Error('x', { cause: new Error('insert into users values (1)') }), INTERNAL],
  'an error with a path': [() => Object.assign(new Error("ENOSPC: '/home/docket/data'"), { code: 'ENOSPC', path: '/home/docket/data' }), INTERNAL],
  'an error with a status and headers of its own': [
    () => Object.assign(new Error('teapot'), { statusCode: 418, status: 418, headers: { 'Set-Cookie': 'a=b', Server: 'docket' } }),
    INTERNAL,
  ],
  'an error that calls itself a client error': [() => Object.assign(new Error('node_modules'), { statusCode: 400, expose: true }), INTERNAL],
  'an error of validation': [
    () => Object.assign(new Error('x'), { validation: [{ message: '/srv/docket/x' }], validationContext: 'body' }),
    INTERNAL,
  ],
  'an error of the token library': [() => Object.assign(new Error('FAST_JWT_INVALID_KEY'), { code: 'FAST_JWT_INVALID_KEY' }), INTERNAL],
  'an error without a message': [() => new Error(''), INTERNAL],
  'a type error': [() => new TypeError("Cannot read properties of undefined (reading 'password_hash')"), INTERNAL],
  'a range error of the stack': [() => new RangeError('Maximum call stack size exceeded'), INTERNAL],
  'many errors in one': [() => new AggregateError([new Error('select 1 from users where true')], 'pglite'), INTERNAL],
  'a text': [() => 'postgres://docket:secret@db.internal/docket', INTERNAL],
  null: [() => null, INTERNAL],
  undefined: [() => undefined, INTERNAL],
  'a number': [() => 404, INTERNAL],
  'an object that looks like an answer': [() => ({ statusCode: 200, body: 'select 1 from users where true' }), INTERNAL],
  'a promise': [() => Promise.resolve('x'), INTERNAL],
  'a column that is not there (42703)': [() => database('42703', 'column "secret" does not exist'), INTERNAL],
  'a table that is not there (42P01)': [() => database('42P01', 'relation "secrets" does not exist'), INTERNAL],
  'a syntax error (42601)': [() => database('42601', 'syntax error at or near "secret"'), INTERNAL],
  'a right that is missing (42501)': [() => database('42501', 'permission denied for table users'), INTERNAL],
  'a check that fails (23514)': [() => database('23514', 'new row violates check constraint "secret"'), INTERNAL],
  'a null where none may be (23502)': [() => database('23502', 'null value in column "password_hash"'), INTERNAL],
  'a key that nobody foresaw (23505)': [() => database('23505', 'duplicate key value violates unique constraint "secret"'), INTERNAL],
  'a value that cannot be stored (22021)': [() => database('22021', 'invalid byte sequence for encoding "UTF8": 0x00'), '400 MALFORMED_REQUEST'],
  'a date that cannot be stored (22008)': [() => database('22008', 'date/time field value out of range: "0000"'), '400 MALFORMED_REQUEST'],
  'a stack that is too deep (54001)': [() => database('54001', 'stack depth limit exceeded'), '400 MALFORMED_REQUEST'],
  'a deadlock (40P01)': [() => database('40P01', 'deadlock detected: Process 1 waits for ShareLock'), AWAY],
  'a statement that took too long (57014)': [() => database('57014', 'canceling statement due to statement timeout'), AWAY],
  'too many connections (53300)': [() => database('53300', 'sorry, too many clients already'), AWAY],
  'a full disk (53100)': [() => database('53100', 'could not extend file "base/1/2": No space left on device'), AWAY],
  'a password that is wrong (28P01)': [() => database('28P01', 'password authentication failed for user "docket"'), AWAY],
  'a database that is not there (3D000)': [() => database('3D000', 'database "docket" does not exist'), AWAY],
  'a connection that is refused': [
    () => Object.assign(new Error('connect ECONNREFUSED 10.0.0.5:5432'), { code: 'ECONNREFUSED', address: '10.0.0.5' }),
    AWAY,
  ],
  'a name that nobody knows': [
    () => Object.assign(new Error('getaddrinfo ENOTFOUND db.internal'), { code: 'ENOTFOUND', hostname: 'db.internal' }),
    AWAY,
  ],
}

/** As pg throws it. */
function database(code: string, message: string): Error {
  return Object.assign(new Error(message), {
    code,
    severity: 'ERROR',
    detail: 'Key (email)=(ada@example.com) already exists.',
    schema: 'public',
    table: 'users',
    file: 'nbtinsert.c',
    routine: '_bt_check_unique',
  })
}

t.test('error bodies', async (t) => {
  const { url, context, register, logged } = await startApp(t)
  const ada = await register()
  const authorization = `Authorization: Bearer ${ada.accessToken}`
  const login = JSON.stringify({ username: ada.username, password: PASSWORD })
  const token = new URLSearchParams({ grant_type: 'password', username: ada.username, password: PASSWORD }).toString()

  const requests: readonly (readonly [string, Buffer])[] = [
    ['getMe', requestOf('GET /api/v1/users/me', [authorization])],
    ['login', requestOf('POST /api/v1/auth/login', [], login)],
  ]
  let thrown: () => unknown = () => undefined
  const broken = await serve(t, context, (handlers) =>
    everyHandler(handlers, async () => {
      throw thrown()
    }),
  )
  for (const [what, [throwing, verdict]] of Object.entries(THROWN)) {
    t.test(`when ${what} is thrown`, async (t) => {
      thrown = throwing
      expectVerdicts(
        t,
        broken,
        requests.map(
          ([id, bytes]): Attack => [
            id,
            bytes,
            verdict,
            (t, { headers, body }) => {
              t.notMatch(body, /secret|example\.com|db\.internal|10\.0\.0\.5|teapot|constraint|nbtinsert|Key \(/)
              t.equal(headers.get('retry-after'), verdict === AWAY ? '1' : null)
              t.strictSame(Object.keys(JSON.parse(body)).toSorted(), ['code', 'detail', 'requestId', 'status', 'title', 'type'])
            },
          ],
        ),
      )
    })
  }

  t.test('every other kind of answer: the same headers, and nothing of the inside', async (t) => {
    const target = '/api/v1/lists'
    const list = JSON.parse(
      await (
        await fetch(`${url}${target}`, {
          method: 'POST',
          headers: { Authorization: `Bearer ${ada.accessToken}`, 'Content-Type': 'application/json' },
          body: '{"title":"x"}',
        })
      ).text(),
    )
    const ask = (line: string, headers: readonly string[] = [], body?: string) => requestOf(line, [authorization, ...headers], body)
    const caching =
      (expected: string): Attack[3] =>
      (t, { headers }) =>
        t.equal(headers.get('cache-control'), expected)
    expectVerdicts(t, url, [
      ['a page', ask(`GET ${target}`), '200', caching('private, no-cache')],
      ['a creation', ask(`POST ${target}`, [], '{"title":"x"}'), '201', caching('private, no-cache')],
      ['a login', requestOf('POST /api/v1/auth/login', [], login), '200', caching('no-store')],
      ['a token', requestOf('POST /api/v1/auth/token', ['Content-Type: application/x-www-form-urlencoded'], token), '200', caching('no-store')],
      ['nothing to say', ask(`OPTIONS ${target}`), '204'],
      ['not modified', ask(`GET ${target}/${list.id}`, ['If-None-Match: *']), '304', caching('private, no-cache')],
      ['HEAD', ask(`HEAD ${target}`), '200', caching('private, no-cache')],
      ['HEAD that is refused', requestOf(`HEAD ${target}`), '401'],
      ['readiness', requestOf('GET /api/v1/health/ready'), '200', caching('no-store')],
      ['malformed', ask(`POST ${target}`, [], '{'), '400 MALFORMED_REQUEST'],
      ['an entity tag that is none', ask(`GET ${target}/${list.id}`, ['If-None-Match: x']), '400 header/if-none-match pattern'],
      ['unauthenticated', requestOf(`GET ${target}`), '401 UNAUTHENTICATED'],
      ['forbidden', ask('GET /api/v1/admin/users'), '403 FORBIDDEN'],
      ['not found', ask(`GET ${target}/01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10`), '404 NOT_FOUND'],
      ['no such path', ask('GET /nowhere'), '404 NOT_FOUND'],
      ['no such method', ask(`PUT ${target}`), '405 METHOD_NOT_ALLOWED'],
      [
        'taken',
        requestOf('POST /api/v1/auth/register', [], JSON.stringify({ email: ada.email, username: 'somebody', password: PASSWORD })),
        '409 EMAIL_TAKEN',
      ],
      ['changed meanwhile', ask(`PATCH ${target}/${list.id}`, ['If-Match: "0"'], '{"title":"y"}'), '412 PRECONDITION_FAILED'],
      ['too long', ask(`GET ${target}/${'a'.repeat(101)}`), '414 URI_TOO_LONG'],
      ['of another type', ask(`POST ${target}`, ['Content-Type: text/plain'], 'x'), '415 UNSUPPORTED_MEDIA_TYPE'],
      ['invalid', ask(`POST ${target}`, [], '{}'), '422 body/title required'],
      ['with large headers', ask(`GET ${target}`, [`X-A: ${'a'.repeat(17_000)}`]), '431 HEADERS_TOO_LARGE'],
    ])
  })

  t.test('the words of a refusal are not those of the request', async (t) => {
    const said = '<script>alert(1)</script>'
    const words = (line: string, headers: readonly string[] = [], body?: string) => requestOf(line, [authorization, ...headers], body)
    const unsaid: Attack[3] = (t, { headers, body }) => {
      t.notOk(body.includes('<script>'))
      t.notMatch([...headers].flat().join(), /script|evil/)
    }
    const encoded = encodeURIComponent(said)
    expectVerdicts(t, url, [
      ['a path', words(`GET /${encoded}`), '404 NOT_FOUND', unsaid],
      ['an id', words(`GET /api/v1/tasks/${encoded}`), '422 path/taskId minLength', unsaid],
      ['a value of a query', words(`GET /api/v1/tasks?sort=${encoded}`), '422 query/sort enum', unsaid],
      ['a value of a body', words('POST /api/v1/tasks', [], JSON.stringify({ title: 'x', priority: said })), '422 body/priority enum', unsaid],
      ['a type', words('POST /api/v1/tasks', [`Content-Type: ${said}`], 'x'), '415 UNSUPPORTED_MEDIA_TYPE', unsaid],
      [
        'an entity tag',
        words('PATCH /api/v1/tasks/01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10', [`If-Match: ${said}`], '{"title":"x"}'),
        '400 header/if-match pattern',
        unsaid,
      ],
      ['a request id', words('GET /nowhere', [`X-Request-Id: ${said}`]), '404 NOT_FOUND', unsaid],
      [
        'a request id with a line feed that is encoded',
        words('GET /nowhere', ['X-Request-Id: abcdefgh%0d%0aSet-Cookie:evil']),
        '404 NOT_FOUND',
        unsaid,
      ],
      ['a token', requestOf('GET /api/v1/users/me', [`Authorization: Bearer ${said}`]), '401 UNAUTHENTICATED', unsaid],
      ['an origin', words('GET /nowhere', [`Origin: https://evil.example`]), '404 NOT_FOUND', unsaid],
      [
        'a name in a login',
        requestOf('POST /api/v1/auth/login', [], JSON.stringify({ username: said, password: said })),
        '401 INVALID_CREDENTIALS',
        unsaid,
      ],
      [
        'a parameter of a token request',
        requestOf('POST /api/v1/auth/token', ['Content-Type: application/x-www-form-urlencoded'], `grant_type=${encoded}`),
        '400 unsupported_grant_type',
        unsaid,
      ],
    ])
  })

  expectNoDefects(
    t,
    logged.filter(({ msg }) => msg !== 'a request failed' && msg !== 'the database is not available'),
  )
})
