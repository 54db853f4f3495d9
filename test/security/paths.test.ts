import t from 'tap'
import { exchange } from '../http/raw.ts'
import { startApp } from '../support/app.ts'
import { checkProblem } from '../support/contract-check.ts'

const ID = '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10'

t.test('paths', async (t) => {
  const { url, register, logged } = await startApp(t)
  const ada = await register()
  const ask = (method: string, target: string, more = '') =>
    exchange(url, `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer ${ada.accessToken}\r\n${more}\r\n`)

  const table: readonly [target: string, status: number, code: string][] = [
    ['/', 404, 'NOT_FOUND'],
    ['/nowhere', 404, 'NOT_FOUND'],
    ['/api', 404, 'NOT_FOUND'],
    ['/api/v1', 404, 'NOT_FOUND'],
    ['/api/v1/', 404, 'NOT_FOUND'],
    ['/api/v2/tasks', 404, 'NOT_FOUND'],
    ['/tasks', 404, 'NOT_FOUND'],
    ['/API/v1/tasks', 404, 'NOT_FOUND'],
    ['/api/v1/Tasks', 404, 'NOT_FOUND'],
    ['/api/v1/tasks.json', 404, 'NOT_FOUND'],
    ['/api/v1/tasks;a=b', 404, 'NOT_FOUND'],
    ['/api/v1/health/', 404, 'NOT_FOUND'],
    [`/api/v1/tasks/${ID}/`, 404, 'NOT_FOUND'],
    [`/api/v1/tasks/${ID}/nothing`, 404, 'NOT_FOUND'],
    ['//', 404, 'NOT_FOUND'],
    ['//api/v1/tasks', 404, 'NOT_FOUND'],
    ['/api//v1/tasks', 404, 'NOT_FOUND'],
    ['/api/v1/x/../tasks', 404, 'NOT_FOUND'],
    ['/api/v1/./tasks', 404, 'NOT_FOUND'],
    ['/../api/v1/tasks', 404, 'NOT_FOUND'],
    ['/api/v1%2ftasks', 404, 'NOT_FOUND'],
    ['/api/v1/tasks%00', 404, 'NOT_FOUND'],
    ['/api\\v1\\tasks', 404, 'NOT_FOUND'],
    ['*', 404, 'NOT_FOUND'],
    ['http://localhost', 404, 'NOT_FOUND'],
    ['http://localhost/nowhere', 404, 'NOT_FOUND'],
    ['/__proto__', 404, 'NOT_FOUND'],
    ['/api/v1/constructor', 404, 'NOT_FOUND'],
    ['/.env', 404, 'NOT_FOUND'],
    ['/docs/nothing', 404, 'NOT_FOUND'],
    ['/docs/static/nothing.js', 404, 'NOT_FOUND'],
    ['/docs/static/../../package.json', 404, 'NOT_FOUND'],
    ['/docs/static/..%2f..%2fpackage.json', 404, 'NOT_FOUND'],
    ['/docs/static/%2e%2e/%2e%2e/package.json', 404, 'NOT_FOUND'],
    ['/docs/static/..%5c..%5cpackage.json', 404, 'NOT_FOUND'],
    ['/docs/static/index.html%00.js', 404, 'NOT_FOUND'],
    ['/api/v1/tasks/%00', 422, 'VALIDATION_FAILED'],
    ['/api/v1/tasks/', 422, 'VALIDATION_FAILED'],
    ['/api/v1/tasks/..', 422, 'VALIDATION_FAILED'],
    ['/api/v1/lists//tasks', 422, 'VALIDATION_FAILED'],
    [`/api/v1/tasks/a%2f${ID}`, 422, 'VALIDATION_FAILED'],
    [`/api/v1/tasks/${ID}%2f`, 422, 'VALIDATION_FAILED'],
    [`/api/v1/tasks/${ID}%00`, 422, 'VALIDATION_FAILED'],
    [`/api/v1/tasks/${'a'.repeat(100)}`, 422, 'VALIDATION_FAILED'],
    ['/api/v1/tasks/%', 400, 'MALFORMED_REQUEST'],
    ['/api/v1/tasks/%z', 400, 'MALFORMED_REQUEST'],
    ['/api/v1/tasks/%zz', 400, 'MALFORMED_REQUEST'],
    ['/api/v1/tasks/%ff', 400, 'MALFORMED_REQUEST'],
    ['/api/v1/tasks/%c0%ae', 400, 'MALFORMED_REQUEST'],
    ['/api/v1/tasks/%ed%a0%80', 400, 'MALFORMED_REQUEST'],
    ['/%', 400, 'MALFORMED_REQUEST'],
    [`/api/v1/tasks/${'a'.repeat(101)}`, 414, 'URI_TOO_LONG'],
    [`/api/v1/lists/${'a'.repeat(5000)}/tasks`, 414, 'URI_TOO_LONG'],
    [`/api/v1/tasks/${'%C3%A4'.repeat(101)}`, 414, 'URI_TOO_LONG'],
  ]

  for (const [target, status, code] of table) {
    t.test(`GET ${target.slice(0, 60)}: ${status}`, async (t) => {
      const answer = await ask('GET', target)
      t.equal(answer.status, status)
      checkProblem(status, answer.headers, answer.body)
      t.equal(JSON.parse(answer.body).code, code)
    })
  }

  t.test('an unknown path: 404 whatever the method and the body, to nobody as well', async (t) => {
    const json = 'Content-Type: application/json\r\n'
    const bodies = [`${json}Content-Length: 2\r\n\r\n{a`, `${json}Content-Length: 9999999\r\n`, 'Content-Type: ;\r\nContent-Length: 1\r\n\r\nx', '']
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'TRACE', 'QUERY']) {
      for (const more of bodies) {
        const answer = await ask(method, '/api/v1/nothing', more)
        t.equal(answer.status, 404, method)
        checkProblem(404, answer.headers, answer.body)
      }
    }
    const { status } = await fetch(`${url}/api/v1/nothing`)
    t.equal(status, 404)
  })

  t.test('a known path: 405 with Allow for methods that nobody has', async (t) => {
    for (const method of ['TRACE', 'PROPFIND', 'MKCOL', 'QUERY', 'LOCK', 'PURGE', 'SEARCH']) {
      for (const target of ['/api/v1/tasks', '/api/v1/tasks?limit=1', 'http://elsewhere.example/api/v1/tasks']) {
        const answer = await ask(method, target)
        t.equal(answer.status, 405, method)
        t.equal(answer.headers.get('allow'), 'GET, HEAD, OPTIONS, POST', method)
        checkProblem(405, answer.headers, answer.body)
      }
      const page = await ask(method, '/docs')
      t.equal(page.status, 405)
      t.equal(page.headers.get('allow'), 'GET, HEAD, OPTIONS')
    }
  })

  t.test('TRACE: nothing of the request comes back', async (t) => {
    const { body } = await ask('TRACE', '/api/v1/tasks', 'X-Secret: sesame\r\n')
    t.notMatch(body, /sesame|Bearer/)
  })

  t.test('the words of a refusal are not those of the request', async (t) => {
    const { body } = await ask('GET', '/<script>alert(1)</script>')
    t.notMatch(body, /script/)
  })

  t.test('listTasks: the link to the next page has no host, even if the request names one', async (t) => {
    for (const title of ['Milk', 'Oats']) {
      const body = JSON.stringify({ title })
      const more = `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
      t.equal((await ask('POST', '/api/v1/tasks', more)).status, 201)
    }
    const { status, headers } = await ask('GET', 'http://elsewhere.example/api/v1/tasks?limit=1')
    t.equal(status, 200)
    t.match(headers.get('link'), /^<\/api\/v1\/tasks\?limit=1&cursor=/)
  })

  t.test('none of these requests was a defect', async (t) => {
    t.same(
      logged.filter(({ level, requestId }) => Number(level) >= 40 && requestId !== undefined),
      [],
    )
  })
})
