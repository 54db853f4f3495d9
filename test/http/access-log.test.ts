import t from 'tap'
import { PASSWORD, startApp } from '../support/app.ts'
import { accessLines, exchange } from './raw.ts'

t.test('the access log', async (t) => {
  const { url, as, register, registerAdmin, logged } = await startApp(t)
  const ada = await register()
  const grace = await registerAdmin()
  const { body: task } = await as(ada)('createTask', { body: { title: 'a title that nobody else may read' }, expect: 201 })

  const end = 'Host: localhost\r\nConnection: close\r\n'
  const bearer = `Authorization: Bearer ${ada.accessToken}\r\n`
  const json = (body: string) => `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const login = json(JSON.stringify({ username: ada.username, password: PASSWORD }))
  const path = `/api/v1/tasks/${task.id}`

  const requests: readonly [what: string, bytes: string, line: Record<string, unknown>][] = [
    ['getTask 200', `GET ${path} HTTP/1.1\r\n${end}${bearer}`, { operation: 'getTask', method: 'GET', path, status: 200, user: ada.id }],
    ['getTask by HEAD', `HEAD ${path} HTTP/1.1\r\n${end}${bearer}`, { operation: 'getTask', method: 'HEAD', status: 200, user: ada.id }],
    ['getTask 304', `GET ${path} HTTP/1.1\r\n${end}${bearer}If-None-Match: *\r\n`, { operation: 'getTask', status: 304, user: ada.id }],
    [
      'listTasks with a search',
      `GET /api/v1/tasks?q=sesame HTTP/1.1\r\n${end}${bearer}`,
      { operation: 'listTasks', path: '/api/v1/tasks', status: 200 },
    ],
    ['listUsers 403', `GET /api/v1/admin/users HTTP/1.1\r\n${end}${bearer}`, { operation: 'listUsers', status: 403 }],
    ['getMe 401', `GET /api/v1/users/me HTTP/1.1\r\n${end}`, { operation: 'getMe', status: 401, user: undefined }],
    ['login 200', `POST /api/v1/auth/login HTTP/1.1\r\n${end}${login}`, { operation: 'login', method: 'POST', status: 200, user: undefined }],
    ['login 415', `POST /api/v1/auth/login HTTP/1.1\r\n${end}Content-Length: 1\r\n\r\nx`, { operation: 'login', status: 415 }],
    [
      'createTask 413',
      `POST /api/v1/tasks HTTP/1.1\r\n${end}${bearer}Content-Type: application/json\r\nContent-Length: 262145\r\n`,
      { status: 413, user: ada.id },
    ],
    ['an unknown query', `GET /api/v1/health?q=sesame HTTP/1.1\r\n${end}`, { operation: 'getLiveness', path: '/api/v1/health', status: 422 }],
    ['an unknown path', `GET /nowhere?q=sesame HTTP/1.1\r\n${end}`, { operation: undefined, path: '/nowhere', status: 404 }],
    [
      'an unknown method',
      `PROPFIND /api/v1/tasks HTTP/1.1\r\n${end}`,
      { operation: undefined, method: 'PROPFIND', path: '/api/v1/tasks', status: 405 },
    ],
    ['OPTIONS', `OPTIONS /api/v1/tasks HTTP/1.1\r\n${end}`, { method: 'OPTIONS', status: 204 }],
    ['a path that cannot be decoded', `GET /api/v1/tasks/%zz?q=sesame HTTP/1.1\r\n${end}`, { path: '/api/v1/tasks/%zz', status: 400 }],
    ['a path that is too long', `GET /api/v1/tasks/${'a'.repeat(101)} HTTP/1.1\r\n${end}`, { status: 414 }],
    ['two Hosts', `GET /api/v1/health HTTP/1.1\r\nHost: a\r\n${end}`, { status: 400 }],
    ['many headers', `GET /api/v1/health HTTP/1.1\r\n${end}${'A: b\r\n'.repeat(100)}`, { status: 431 }],
    ['a page', `GET /docs HTTP/1.1\r\n${end}`, { path: '/docs', status: 200 }],
    ['a URL with a host', `GET http://elsewhere.example/api/v1/health HTTP/1.1\r\n${end}`, { path: '/api/v1/health', status: 200 }],
  ]

  for (const [index, [what, bytes, expected]] of requests.entries()) {
    t.test(`${what}: one line`, async (t) => {
      const requestId = `logged-${index}-request`
      const [head = '', ...rest] = bytes.split('\r\n')
      const complete = [head, `X-Request-Id: ${requestId}`, ...rest].join('\r\n')
      const { status } = await exchange(url, bytes.includes('\r\n\r\n') ? complete : `${complete}\r\n`)
      t.equal(status, expected['status'])
      const lines = await accessLines(logged, requestId)
      t.equal(lines.length, 1)
      const { level, time, milliseconds, address, ...line } = lines[0] ?? {}
      t.match({ operation: undefined, user: undefined, ...line }, { ...expected, requestId })
      t.equal(level, 30)
      t.equal(address, '127.0.0.1')
      t.ok(typeof milliseconds === 'number' && milliseconds >= 0 && typeof time === 'number')
      // Nothing but these, the process and the machine.
      const known = ['requestId', 'operation', 'method', 'path', 'status', 'user', 'pid', 'hostname']
      t.strictSame(
        Object.keys(line).filter((name) => !known.includes(name)),
        [],
      )
    })
  }

  t.test('control characters of a path do not break a line', async (t) => {
    const requestId = 'logged-with-controls'
    await exchange(url, `GET /%0a%0d%1b[31m HTTP/1.1\r\n${end}X-Request-Id: ${requestId}\r\n\r\n`)
    t.match(await accessLines(logged, requestId), [{ path: '/%0a%0d%1b[31m', status: 404 }])
  })

  t.test('the log holds no password, no token, no query and nothing that people wrote', async (t) => {
    await as(grace)('listUsers', { query: { q: 'sesame' }, expect: 200 })
    await as(ada)('logout', { expect: 204 })
    const all = JSON.stringify(logged)
    t.ok(logged.length > requests.length)
    for (const secret of [PASSWORD, 'sesame', 'a title that nobody', ada.accessToken, ada.refreshToken, grace.accessToken, 'Bearer', ada.email]) {
      t.notOk(all.includes(secret), secret)
    }
  })
})
