import t from 'tap'
import { exchange } from '../http/raw.ts'
import { startApp } from '../support/app.ts'
import { checkProblem } from '../support/contract-check.ts'
import { type Attack, expectNoDefects, expectVerdicts, requestOf, verdictOf } from './attacks.ts'

const ID = '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10'
const NOWHERE = '404 NOT_FOUND'
const NO_ID = '422 path/taskId format'
const SHORT_ID = '422 path/taskId minLength'
const MALFORMED = '400 MALFORMED_REQUEST'
const TOO_LONG = '414 URI_TOO_LONG'

/** Paths are compared as they stand: nothing is normalised, so that no server in front can be led past its own rules. */
t.test('paths and methods', async (t) => {
  const { url, as, register, logged } = await startApp(t)
  const ada = await register()
  const { body: task } = await as(ada)('createTask', { body: { title: 'Milk' }, expect: 201 })
  const authorization = `Authorization: Bearer ${ada.accessToken}`
  const ask = (line: string, headers: readonly string[] = [], body?: string) => requestOf(line, [authorization, ...headers], body)

  const targets: readonly (readonly [target: string, verdict: string])[] = [
    ['/', NOWHERE],
    ['/nowhere', NOWHERE],
    ['/api', NOWHERE],
    ['/api/v1', NOWHERE],
    ['/api/v1/', NOWHERE],
    ['/api/v1?', NOWHERE],
    ['/api/v2/tasks', NOWHERE],
    ['/api/v1.0/tasks', NOWHERE],
    ['/tasks', NOWHERE],
    ['/API/v1/tasks', NOWHERE],
    ['/api/V1/tasks', NOWHERE],
    ['/api/v1/Tasks', NOWHERE],
    ['/api/v1/tasks.json', NOWHERE],
    ['/api/v1/tasks.', NOWHERE],
    ['/api/v1/tasks%20', NOWHERE],
    ['/api/v1/tasks%09', NOWHERE],
    ['/api/v1/tasks%0a', NOWHERE],
    ['/api/v1/tasks%23', NOWHERE],
    ['/api/v1/tasks%3flimit=1', NOWHERE],
    ['/api/v1/tasks;a=b', NOWHERE],
    ['/api/v1;a=b/tasks', NOWHERE],
    ['/api/v1/tasks,', NOWHERE],
    ['/api/v1/tasks&limit=1', NOWHERE],
    ['/api/v1/health/', NOWHERE],
    ['/api/v1/health//', NOWHERE],
    ['/api/v1/health/ready/', NOWHERE],
    [`/api/v1/tasks/${ID}/`, NOWHERE],
    [`/api/v1/tasks/${ID}/nothing`, NOWHERE],
    [`/api/v1/tasks/${ID};v=1/nothing`, NOWHERE],
    ['//', NOWHERE],
    ['//api/v1/tasks', NOWHERE],
    ['//evil.example/api/v1/tasks', NOWHERE],
    ['/api//v1/tasks', NOWHERE],
    ['/api/v1//tasks', NOWHERE],
    ['/./api/v1/tasks', NOWHERE],
    ['/api/v1/x/../tasks', NOWHERE],
    ['/api/v1/./tasks', NOWHERE],
    ['/../api/v1/tasks', NOWHERE],
    ['/api/v1/health/../tasks', NOWHERE],
    ['/api/v1/health/..;/tasks', NOWHERE],
    ['/api/v1/health/%2e%2e/tasks', NOWHERE],
    ['/api/v1/health/..%2ftasks', NOWHERE],
    ['/api/v1/health%2f..%2ftasks', NOWHERE],
    ['/api/v1/%2e/tasks', NOWHERE],
    ['/api/v1%2ftasks', NOWHERE],
    ['/api/v1%2Ftasks', NOWHERE],
    ['/api/v1%252ftasks', NOWHERE],
    ['/api/v1%5ctasks', NOWHERE],
    ['/api\\v1\\tasks', NOWHERE],
    ['/api/v1/tasks%00', NOWHERE],
    ['/api/v1/tasks%00.json', NOWHERE],
    ['/api/v1/auth', NOWHERE],
    ['/api/v1/admin', NOWHERE],
    ['/api/v1/admin/', NOWHERE],
    ['/api/v1/ADMIN/users', NOWHERE],
    ['/api/v1/admin/%75sers%2f', NOWHERE],
    ['*', NOWHERE],
    ['http://localhost', NOWHERE],
    ['http://localhost/nowhere', NOWHERE],
    ['http://localhost:80:80/api/v1', NOWHERE],
    ['/__proto__', NOWHERE],
    ['/constructor/prototype', NOWHERE],
    ['/api/v1/constructor', NOWHERE],
    ['/api/v1/toString', NOWHERE],
    ['/.env', NOWHERE],
    ['/.git/config', NOWHERE],
    ['/package.json', NOWHERE],
    ['/src/main.ts', NOWHERE],
    ['/server-status', NOWHERE],
    ['/actuator/env', NOWHERE],
    ['/debug/pprof', NOWHERE],
    ['/graphql', NOWHERE],
    ['/wp-login.php', NOWHERE],
    ['/%3Cscript%3Ealert(1)%3C/script%3E', NOWHERE],
    ['/%0d%0aSet-Cookie:%20a=b', NOWHERE],
    ['/docs/nothing', NOWHERE],
    ['/docs/static/nothing.js', NOWHERE],
    ['/docs/static/../../package.json', NOWHERE],
    ['/docs/static/..%2f..%2fpackage.json', NOWHERE],
    ['/docs/static/%2e%2e/%2e%2e/package.json', NOWHERE],
    ['/docs/static/..%5c..%5cpackage.json', NOWHERE],
    ['/docs/static/....//....//package.json', NOWHERE],
    ['/docs/static//etc/passwd', NOWHERE],
    ['/docs/static/index.html%00.js', NOWHERE],
    ['/docs/static/.', NOWHERE],
    ['/redoc/../package.json', NOWHERE],
    ['/redoc/redoc.standalone.js/', NOWHERE],
    ['/openapi.yaml/', NOWHERE],
    ['/openapi.yaml%00', NOWHERE],
    ['/api/v1/tasks/%00', SHORT_ID],
    ['/api/v1/tasks/', SHORT_ID],
    ['/api/v1/tasks/..', SHORT_ID],
    ['/api/v1/tasks/%2e%2e', SHORT_ID],
    ['/api/v1/tasks/..%2fhealth', SHORT_ID],
    ['/api/v1/tasks/..%252fhealth', SHORT_ID],
    ['/api/v1/tasks/null', SHORT_ID],
    ['/api/v1/tasks/1', SHORT_ID],
    ['/api/v1/tasks/-1', SHORT_ID],
    ['/api/v1/tasks/*', SHORT_ID],
    ['/api/v1/tasks/:taskId', SHORT_ID],
    ['/api/v1/tasks/%7BtaskId%7D', SHORT_ID],
    ["/api/v1/tasks/'%20or%20'1'='1", SHORT_ID],
    ['/api/v1/tasks/1;drop%20table%20tasks', SHORT_ID],
    ['/api/v1/tasks/$%7Bjndi:ldap://x%7D', NOWHERE],
    ['/api/v1/tasks/__proto__', SHORT_ID],
    [`/api/v1/tasks/a%2f${ID}`, '422 path/taskId maxLength'],
    [`/api/v1/tasks/${ID}%2f`, '422 path/taskId maxLength'],
    [`/api/v1/tasks/${ID}%00`, '422 path/taskId maxLength'],
    [`/api/v1/tasks/${ID}%20`, '422 path/taskId maxLength'],
    [`/api/v1/tasks/${ID}%0a`, '422 path/taskId maxLength'],
    [`/api/v1/tasks/${ID};v=1`, '422 path/taskId maxLength'],
    [`/api/v1/tasks/%20${ID}`, '422 path/taskId maxLength'],
    [`/api/v1/tasks/%7B${ID}%7D`, '422 path/taskId maxLength'],
    [`/api/v1/tasks/${ID.replaceAll('-', '')}`, SHORT_ID],
    [`/api/v1/tasks/${ID.slice(0, -1)}g`, NO_ID],
    [`/api/v1/tasks/${ID.replaceAll('-', '_')}`, NO_ID],
    [`/api/v1/tasks/${ID.slice(0, -1)}%EF%BC%91`, NO_ID],
    [`/api/v1/tasks/${'a'.repeat(100)}`, '422 path/taskId maxLength'],
    ['/api/v1/lists//tasks', '422 path/listId minLength'],
    ['/api/v1/lists/%2f/tasks', '422 path/listId minLength'],
    ['/api/v1/tasks/%', MALFORMED],
    ['/api/v1/tasks/%z', MALFORMED],
    ['/api/v1/tasks/%zz', MALFORMED],
    ['/api/v1/tasks/%u0041', MALFORMED],
    ['/api/v1/tasks/%ff', MALFORMED],
    ['/api/v1/tasks/%c0%ae', MALFORMED],
    ['/api/v1/tasks/%c0%af', MALFORMED],
    ['/api/v1/tasks/%e0%80%af', MALFORMED],
    ['/api/v1/tasks/%f0%80%80%af', MALFORMED],
    ['/api/v1/tasks/%f4%90%80%80', MALFORMED],
    ['/api/v1/tasks/%ed%a0%80', MALFORMED],
    ['/api/v1/tasks/%e2%82', MALFORMED],
    ['/%', MALFORMED],
    ['/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd', MALFORMED],
    [`/api/v1/tasks/${'a'.repeat(101)}`, TOO_LONG],
    [`/api/v1/lists/${'a'.repeat(5000)}/tasks`, TOO_LONG],
    [`/api/v1/tasks/${'%C3%A4'.repeat(101)}`, TOO_LONG],
    [`/${'a/'.repeat(4000)}`, NOWHERE],
    [`/${'../'.repeat(3000)}etc/passwd`, NOWHERE],
    [`/api/v1/tasks/${task.id}`, '200'],
    [`/api/v1/tasks/${task.id.toUpperCase()}`, '200'],
    [`/api/v1/%74asks/${task.id}`, '200'],
    [`/api/v1/tasks/${task.id.replaceAll('-', '%2D')}`, '200'],
    [`http://elsewhere.example/api/v1/tasks/${task.id}`, '200'],
    [`HTTPS://elsewhere.example:1/api/v1/tasks/${task.id}`, '200'],
    [`http://ada:secret@elsewhere.example/api/v1/tasks/${task.id}`, '200'],
  ]
  t.test('GET', async (t) => {
    expectVerdicts(
      t,
      url,
      targets.map(([target, verdict]) => [
        target.length > 80 ? `${target.slice(0, 60)}… (${target.length} characters)` : target,
        ask(`GET ${target}`),
        verdict,
        (t, { body }) => t.notMatch(verdict === '200' ? '' : body, /script|passwd|Set-Cookie|evil/),
      ]),
    )
  })

  t.test('methods that try to be another one', async (t) => {
    const path = `/api/v1/tasks/${task.id}`
    const unchanged: Attack[3] = (t, { body }) => t.match(JSON.parse(body), { id: task.id, title: 'Milk' })
    const rows: readonly Attack[] = [
      ...['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', '_method', 'X-Original-Method'].map(
        (name): Attack => [`${name}: DELETE on GET`, ask(`GET ${path}`, [`${name}: DELETE`]), '200', unchanged],
      ),
      ...['X-Original-URL', 'X-Rewrite-URL', 'X-Forwarded-Uri', 'X-Forwarded-Prefix', 'X-Forwarded-Path'].map(
        (name): Attack => [`${name} on GET`, ask(`GET ${path}`, [`${name}: /api/v1/users/me`]), '200', unchanged],
      ),
      ['X-HTTP-Method-Override: PATCH on POST', ask('POST /api/v1/lists', ['X-HTTP-Method-Override: GET'], '{}'), '422 body/title required'],
      ['?_method=DELETE', ask(`GET ${path}?_method=DELETE`), '422 query/_method additionalProperties'],
      ['_method in the body', ask('POST /api/v1/tasks', [], '{"title":"x","_method":"DELETE"}'), '422 body/_method additionalProperties'],
      ['If-None-Match on a method that a path has not', ask(`PUT ${path}`, ['If-None-Match: *']), '405 METHOD_NOT_ALLOWED'],
      ['a preflight of no origin', ask(`OPTIONS ${path}`, ['Access-Control-Request-Method: DELETE']), '204'],
      ['OPTIONS of the whole server', ask('OPTIONS *'), NOWHERE],
      ['OPTIONS of a path that is none', ask('OPTIONS /nowhere'), NOWHERE],
      ['OPTIONS with a body', ask(`OPTIONS ${path}`, [], '{"title":"Oats"}'), '204'],
      ['HEAD of a task', ask(`HEAD ${path}`), '200', (t, { body }) => t.equal(body, '')],
      ['HEAD of what is not there', ask('HEAD /nowhere'), '404', (t, { body }) => t.equal(body, '')],
      ['HEAD where only POST is', ask('HEAD /api/v1/auth/login'), '405', (t, { body }) => t.equal(body, '')],
      ['a body with HEAD', ask(`HEAD ${path}`, [], '{}'), '400'],
      ['a body with GET', ask(`GET ${path}`, [], '{}'), MALFORMED],
      ['a body with DELETE', ask(`DELETE ${path}`, [], '{}'), MALFORMED],
      ['login by GET', ask('GET /api/v1/auth/login?username=ada&password=secret'), '405 METHOD_NOT_ALLOWED'],
      ['logout by GET', ask('GET /api/v1/auth/logout'), '405 METHOD_NOT_ALLOWED'],
      ['the task, which has come through all of it', ask(`GET ${path}`), '200', unchanged],
    ]
    expectVerdicts(t, url, rows)
  })

  t.test('an unknown path: 404 whatever the method and the body, to nobody as well', async (t) => {
    const json = 'Content-Type: application/json\r\n'
    const bodies = [`${json}Content-Length: 2\r\n\r\n{a`, `${json}Content-Length: 9999999\r\n`, 'Content-Type: ;\r\nContent-Length: 1\r\n\r\nx', '']
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'TRACE', 'QUERY']) {
      for (const more of bodies) {
        const answer = await exchange(
          url,
          `${method} /api/v1/nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${authorization}\r\n${more}\r\n`,
        )
        t.equal(verdictOf(answer), NOWHERE, method)
        checkProblem(404, answer.headers, answer.body)
      }
    }
    t.equal((await fetch(`${url}/api/v1/nothing`)).status, 404)
  })

  for (const method of ['TRACE', 'TRACK', 'PROPFIND', 'PROPPATCH', 'MKCOL', 'COPY', 'MOVE', 'QUERY', 'LOCK', 'UNLOCK', 'PURGE', 'SEARCH', 'SOURCE']) {
    t.test(`${method}: 405 with Allow on a known path, or 400 where Node knows no such method, and nothing of the request comes back`, async (t) => {
      for (const [target, allow] of [
        ['/api/v1/tasks', 'GET, HEAD, OPTIONS, POST'],
        ['/api/v1/tasks?limit=1', 'GET, HEAD, OPTIONS, POST'],
        ['http://elsewhere.example/api/v1/tasks', 'GET, HEAD, OPTIONS, POST'],
        ['/docs', 'GET, HEAD, OPTIONS'],
      ] as const) {
        const answer = await exchange(url, ask(`${method} ${target}`, ['X-Secret: sesame']))
        if (method === 'TRACK') t.equal(answer.status, 400)
        else {
          t.equal(answer.status, 405)
          t.equal(answer.headers.get('allow'), allow)
        }
        checkProblem(answer.status, answer.headers, answer.body)
        t.notMatch(answer.body, /sesame|Bearer/)
      }
    })
  }

  t.test('listTasks: the link to the next page has no host, even if the request names one', async (t) => {
    await as(ada)('createTask', { body: { title: 'Oats' }, expect: 201 })
    const { status, headers } = await exchange(
      url,
      ask('GET http://elsewhere.example/api/v1/tasks?limit=1', ['X-Forwarded-Host: evil.example', 'Forwarded: host=evil.example']),
    )
    t.equal(status, 200)
    t.match(headers.get('link'), /^<\/api\/v1\/tasks\?limit=1&cursor=/)
  })

  expectNoDefects(t, logged)
})
