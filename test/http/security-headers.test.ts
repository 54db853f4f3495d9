import t from 'tap'
import { everyHandler, serve } from '../contract/walk.ts'
import { startApp } from '../support/app.ts'
import { exchange } from './raw.ts'

const API_POLICY = "default-src 'none'; frame-ancestors 'none'"

t.test('security headers', async (t) => {
  const { url, as, register, context } = await startApp(t)
  const ada = await register()
  const { body: task } = await as(ada)('createTask', { body: { title: 'Milk' }, expect: 201 })
  const broken = await serve(t, context, (handlers) =>
    everyHandler(handlers, async () => {
      throw new Error('a defect')
    }),
  )

  const end = 'Host: localhost\r\nConnection: close\r\n'
  const token = `Authorization: Bearer ${ada.accessToken}\r\n`
  const json = 'Content-Type: application/json\r\n'
  const health = 'GET /api/v1/health HTTP/1.1\r\n'
  const requests: Readonly<Record<string, readonly [status: number, bytes: string, server?: string]>> = {
    'getLiveness 200': [200, `${health}${end}\r\n`],
    'HEAD 200': [200, `HEAD /api/v1/health HTTP/1.1\r\n${end}\r\n`],
    'createTask 201': [201, `POST /api/v1/tasks HTTP/1.1\r\n${end}${token}${json}Content-Length: 16\r\n\r\n{"title":"Milk"}`],
    'OPTIONS 204': [204, `OPTIONS /api/v1/health HTTP/1.1\r\n${end}\r\n`],
    'getTask 304': [304, `GET /api/v1/tasks/${task.id} HTTP/1.1\r\n${end}${token}If-None-Match: *\r\n\r\n`],
    'a bad header 400': [400, `${health}Host: a\r\n${end}\r\n`],
    'a missing Host 400': [400, `${health}Connection: close\r\n\r\n`],
    'a bad path 400': [400, `GET /api/v1/tasks/%zz HTTP/1.1\r\n${end}\r\n`],
    'no HTTP 400': [400, 'garbage\r\n\r\n'],
    'getMe 401': [401, `GET /api/v1/users/me HTTP/1.1\r\n${end}\r\n`],
    'listUsers 403': [403, `GET /api/v1/admin/users HTTP/1.1\r\n${end}${token}\r\n`],
    'an unknown path 404': [404, `GET /nowhere HTTP/1.1\r\n${end}\r\n`],
    'an unknown method 405': [405, `TRACE /api/v1/health HTTP/1.1\r\n${end}\r\n`],
    'a large body 413': [413, `POST /api/v1/auth/login HTTP/1.1\r\n${end}${json}Content-Length: 262145\r\n\r\n`],
    'a long path 414': [414, `GET /api/v1/tasks/${'a'.repeat(101)} HTTP/1.1\r\n${end}\r\n`],
    'another type 415': [415, `POST /api/v1/auth/login HTTP/1.1\r\n${end}Content-Type: text/plain\r\nContent-Length: 1\r\n\r\nx`],
    'an unknown query 422': [422, `GET /api/v1/health?a=b HTTP/1.1\r\n${end}\r\n`],
    'large headers 431': [431, `${health}${end}X-A: ${'b'.repeat(17_000)}\r\n\r\n`],
    'many headers 431': [431, `${health}${end}${'A: b\r\n'.repeat(100)}\r\n`],
    'a defect 500': [500, `${health}${end}\r\n`, broken],
  }

  for (const [what, [expected, bytes, server = url]] of Object.entries(requests)) {
    t.test(`${what}: has them all, and says nothing of the server`, async (t) => {
      const { status, headers } = await exchange(server, bytes)
      t.equal(status, expected)
      t.match(Object.fromEntries(headers), {
        'x-content-type-options': 'nosniff',
        'content-security-policy': API_POLICY,
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
        'x-request-id': /^[A-Za-z0-9._-]{8,128}$/,
      })
      for (const name of ['server', 'x-powered-by', 'set-cookie', 'access-control-allow-origin']) t.equal(headers.get(name), null, name)
      if (status >= 400) t.equal(headers.get('cache-control'), 'no-store')
      if (status < 300 && status !== 204) t.match(headers.get('cache-control'), /^(no-store|private, no-cache)$/)
      const type = headers.get('content-type')
      if (type !== null) t.match(type, /; charset=utf-8$/)
    })
  }

  t.test('pages and the document: the same, with a policy of their own', async (t) => {
    for (const path of ['/docs', '/docs/static/swagger-ui.css', '/redoc', '/redoc/redoc.standalone.js', '/openapi.yaml', '/openapi.json']) {
      const { status, headers } = await fetch(url + path)
      t.equal(status, 200, path)
      t.equal(headers.get('x-content-type-options'), 'nosniff', path)
      t.equal(headers.get('referrer-policy'), 'no-referrer', path)
      t.equal(headers.get('cross-origin-resource-policy'), 'same-origin', path)
      t.match(headers.get('content-security-policy'), /default-src 'none'.*frame-ancestors 'none'/, path)
      t.equal(headers.get('server'), null, path)
      t.equal(headers.get('set-cookie'), null, path)
    }
  })
})
