import t from 'tap'
import { startApp } from '../support/app.ts'
import { type Attack, expectNoDefects, expectVerdicts, requestOf } from './attacks.ts'

const APP = 'https://app.example.com'
const MALFORMED = '400 MALFORMED_REQUEST'
const HEALTH = '/api/v1/health'
const TASKS = '/api/v1/tasks'

/** A page of a listed origin may read answers. No other page may, whatever its origin looks like, and none ever with cookies. */
t.test('CORS', async (t) => {
  const { url, register, logged } = await startApp(t, { CORS_ORIGINS: APP })
  const ada = await register()
  const authorization = `Authorization: Bearer ${ada.accessToken}`

  const closed: Attack[3] = (t, { headers }) => {
    t.same(
      [...headers.keys()].filter((name) => ['access-control-allow-origin', 'access-control-allow-credentials'].includes(name)),
      [],
    )
    t.match(headers.get('vary'), /\bOrigin\b/i)
  }
  const open: Attack[3] = (t, { headers }) => {
    t.equal(headers.get('access-control-allow-origin'), APP)
    t.match(headers.get('vary'), /\bOrigin\b/i)
  }
  const preflight = (origin: string, method: string, headers = 'authorization', target = TASKS, more: readonly string[] = []) =>
    requestOf(`OPTIONS ${target}`, [
      `Origin: ${origin}`,
      `Access-Control-Request-Method: ${method}`,
      `Access-Control-Request-Headers: ${headers}`,
      ...more,
    ])

  const others = [
    'null',
    'NULL',
    '*',
    'https://evil.example',
    'http://app.example.com',
    'https://app.example.com:443',
    'https://app.example.com:8443',
    'https://app.example.com/',
    'https://app.example.com/path',
    'https://app.example.com.',
    'https://APP.example.com',
    'HTTPS://app.example.com',
    'https://sub.app.example.com',
    'https://example.com',
    'https://app.example.com.evil.example',
    'https://evil.example/https://app.example.com',
    'https://evil.example#https://app.example.com',
    'https://evil.example?https://app.example.com',
    'https://app.example.com@evil.example',
    'https://evil.example\\@app.example.com',
    'https://app-example.com',
    'https://appXexample.com',
    'https://xapp.example.com',
    'https://app.example.co',
    'https://app.example.comm',
    'https://app.example.com%00.evil.example',
    'https://app.example.com evil.example',
    'https://app.example.com, https://evil.example',
    'https://\xe4pp.example.com',
    'https://xn--app.example.com',
    'http://localhost',
    'http://127.0.0.1',
    'http://[::1]',
    'file://',
    'data:text/html,x',
    'chrome-extension://abcdefgh',
    'moz-extension://abcdefgh',
    'javascript:alert(1)',
    'app.example.com',
    '//app.example.com',
    ' ',
    '',
    `https://${'a'.repeat(8000)}.example`,
  ]
  const named = (origin: string) => JSON.stringify(origin.slice(0, 60))

  t.test('other origins', async (t) => {
    expectVerdicts(
      t,
      url,
      others.flatMap((origin): Attack[] => [
        [`Origin: ${named(origin)}`, requestOf(`GET ${TASKS}`, [`Origin: ${origin}`, authorization]), '200', closed],
        [`a preflight of ${named(origin)}`, preflight(origin, 'POST'), '204', closed],
      ]),
    )
  })

  t.test('the origin of the server itself, which asks for nothing', async (t) => {
    expectVerdicts(t, url, [
      ['no Origin', requestOf(`GET ${HEALTH}`), '200', closed],
      ['its own', requestOf(`GET ${HEALTH}`, ['Host: docket.example', 'Origin: http://docket.example']), '200', closed],
      ['a Host that is the listed origin', requestOf(`GET ${HEALTH}`, ['Host: app.example.com', 'Origin: https://evil.example']), '200', closed],
      ['a Referer that is the listed origin', requestOf(`GET ${HEALTH}`, [`Referer: ${APP}/`, 'Origin: https://evil.example']), '200', closed],
      ['two Origins', requestOf(`GET ${HEALTH}`, ['Origin: https://evil.example', `Origin: ${APP}`]), '200', closed],
    ])
  })

  const allows =
    (also?: Attack[3]): Attack[3] =>
    (t, answer) => {
      open(t, answer)
      const list = (name: string) => answer.headers.get(`access-control-allow-${name}`)?.toLowerCase() ?? ''
      t.notMatch(list('methods'), /\*|trace|connect|options|propfind/)
      t.notMatch(list('headers'), /\*|cookie|x-forwarded|x-http-method|host|origin/)
      also?.(t, answer)
    }
  t.test('the listed origin', async (t) => {
    expectVerdicts(t, url, [
      ['an answer', requestOf(`GET ${TASKS}`, [`Origin: ${APP}`, authorization]), '200', open],
      ['an answer to a request with cookies', requestOf(`GET ${HEALTH}`, [`Origin: ${APP}`, 'Cookie: a=b']), '200', open],
      ['a refusal', requestOf(`GET ${TASKS}`, [`Origin: ${APP}`]), '401 UNAUTHENTICATED', open],
      [
        'a cookie that is no login',
        requestOf(`GET ${TASKS}`, [`Origin: ${APP}`, `Cookie: accessToken=${ada.accessToken}`]),
        '401 UNAUTHENTICATED',
        open,
      ],
      ['a preflight without a token', preflight(APP, 'POST'), '204', allows()],
      ['a preflight for TRACE', preflight(APP, 'TRACE'), '204', allows()],
      ['a preflight for CONNECT', preflight(APP, 'CONNECT'), '204', allows()],
      ['a preflight for a method that is none', preflight(APP, '<script>'), '204', allows()],
      ['a preflight for all methods', preflight(APP, '*'), '204', allows()],
      [
        'a preflight for a method that the path has not',
        preflight(APP, 'DELETE'),
        '204',
        allows((t, { headers }) => t.notMatch(headers.get('allow'), /DELETE/)),
      ],
      ['a preflight for Cookie', preflight(APP, 'GET', 'cookie'), '204', allows()],
      ['a preflight for all headers', preflight(APP, 'GET', '*'), '204', allows()],
      ['a preflight for X-HTTP-Method-Override', preflight(APP, 'POST', 'x-http-method-override'), '204', allows()],
      ['a preflight for X-Forwarded-For', preflight(APP, 'GET', 'x-forwarded-for, host, origin'), '204', allows()],
      ['a preflight for 1,000 headers', preflight(APP, 'GET', Array.from({ length: 1000 }, (_, index) => `x-${index}`).join()), '204', allows()],
      ['a preflight for headers with a line feed that is encoded', preflight(APP, 'GET', 'x%0d%0aSet-Cookie:a'), '204', allows()],
      [
        'a preflight from a public to a private network',
        preflight(APP, 'GET', 'authorization', TASKS, ['Access-Control-Request-Private-Network: true']),
        '204',
        allows((t, { headers }) => t.equal(headers.get('access-control-allow-private-network'), null)),
      ],
      ['a preflight of a path that is none', preflight(APP, 'GET', 'authorization', '/nowhere'), '404 NOT_FOUND', open],
      [
        'a preflight with a body',
        requestOf(`OPTIONS ${TASKS}`, [`Origin: ${APP}`, 'Access-Control-Request-Method: POST'], '{"title":"x"}'),
        MALFORMED,
      ],
      ['a preflight does nothing', requestOf(`GET ${TASKS}`, [authorization]), '200', (t, { body }) => t.same(JSON.parse(body).items, [])],
    ])
  })

  t.test('what a page may send without asking is never a change (CSRF)', async (t) => {
    const send = (type: string, body: string, ...more: string[]) =>
      requestOf(`POST ${TASKS}`, ['Origin: https://evil.example', `Content-Type: ${type}`, 'Sec-Fetch-Site: cross-site', ...more], body)
    const json = '{"title":"forged"}'
    expectVerdicts(t, url, [
      ['a text', send('text/plain', json, authorization), '415 UNSUPPORTED_MEDIA_TYPE', closed],
      ['a form', send('application/x-www-form-urlencoded', `${json}=`, authorization), '415 UNSUPPORTED_MEDIA_TYPE', closed],
      ['a form of parts', send('multipart/form-data; boundary=x', json, authorization), '415 UNSUPPORTED_MEDIA_TYPE', closed],
      ['a text that calls itself JSON behind', send('text/plain; application/json', json, authorization), '415 UNSUPPORTED_MEDIA_TYPE', closed],
      ['a text with the cookies of somebody', send('text/plain', json, 'Cookie: session=x'), '401 UNAUTHENTICATED', closed],
      ['nothing of it is there', requestOf(`GET ${TASKS}`, [authorization]), '200', (t, { body }) => t.same(JSON.parse(body).items, [])],
    ])
  })

  expectNoDefects(t, logged)
})
