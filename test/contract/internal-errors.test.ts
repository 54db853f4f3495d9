import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { startApp } from '../support/app.ts'
import { acceptable, call, createIds, everyHandler, OPERATIONS, serve } from './walk.ts'

const SECRET = 'select * from users where password_hash = $1'

t.test('internal errors', async (t) => {
  const app = await startApp(t)
  const { as, registerAdmin, context, logged } = app
  const grace = await registerAdmin()
  const params = await createIds(as(grace))
  const throwing = (error: () => unknown) =>
    serve(t, context, (handlers) =>
      everyHandler(handlers, async () => {
        throw error()
      }),
    )
  const linesOf = (requestId: string) => logged.filter((line) => line['requestId'] === requestId && line['err'] !== undefined)

  const url = await throwing(() => new Error(SECRET, { cause: new TypeError('the cause') }))

  for (const id of OPERATIONS) {
    t.test(`${id}: 500 INTERNAL_ERROR that tells nothing, and one line in the log that tells all`, async (t) => {
      const requestId = `a-defect-in-${id}`
      const request = { ...acceptable(id, params), headers: { 'X-Request-Id': requestId } }
      const { status, headers, text, body } = await call(url, id, grace.accessToken, request)
      t.equal(status, 500)
      t.match(body, { code: 'INTERNAL_ERROR', requestId })
      t.equal(headers.get('x-request-id'), requestId)
      t.notMatch(text, /select|password_hash|Error:|\.ts/)

      const [line, ...more] = linesOf(requestId)
      t.same(more, [])
      t.match(line, {
        level: 50,
        requestId,
        operation: id,
        err: { message: /select \* from users/, stack: /internal-errors/, cause: { message: 'the cause' } },
      })
    })
  }

  for (const [what, error] of Object.entries<() => unknown>({
    'an error with a status of its own': () => Object.assign(new Error(SECRET), { statusCode: 418 }),
    'an error with headers of its own': () => Object.assign(new Error(SECRET), { headers: { 'X-Secret': '1' } }),
    'an error that looks like one of the framework': () => Object.assign(new Error(SECRET), { code: 'FST_ERR_VALIDATION', statusCode: 400 }),
    'an error that looks like a validation error': () => Object.assign(new Error(SECRET), { validation: [{ message: SECRET }] }),
    'a type error': () => new TypeError(SECRET),
  })) {
    t.test(`getTask: 500 for ${what}`, async (t) => {
      const answer = await call(await throwing(error), 'getTask', grace.accessToken, { params })
      t.equal(answer.status, 500)
      t.notMatch(answer.text, /select/)
      t.notOk(answer.headers.has('x-secret'))
    })
  }

  for (const [what, thrown] of Object.entries({
    text: SECRET,
    null: null,
    undefined: undefined,
    'an object': { statusCode: 404, message: SECRET },
  })) {
    t.test(`getTask: 500 when ${what} is thrown`, async (t) => {
      const answer = await call(await throwing(() => thrown), 'getTask', grace.accessToken, { params })
      t.equal(answer.status, 500)
      t.notMatch(answer.text, /select/)
    })
  }

  for (const [what, code] of Object.entries({
    refused: 'ECONNREFUSED',
    'reset in the middle of a statement': 'ECONNRESET',
    'ended by its operator': '57P01',
  })) {
    t.test(`getTask: 503 with Retry-After when the connection of the database is ${what}, and it is no defect`, async (t) => {
      const broken = await throwing(() => Object.assign(new Error(`${SECRET} ${code}`), { code }))
      const { status, headers, text } = await call(broken, 'getTask', grace.accessToken, { params, headers: { 'X-Request-Id': `broken-${code}` } })
      t.equal(status, 503)
      t.equal(headers.get('retry-after'), '1')
      t.notMatch(text, /select/)
      t.same(linesOf(`broken-${code}`), [])
    })
  }

  t.test('createTask: a client that goes away in the middle of its body is no defect', async (t) => {
    const socket = connect(Number(new URL(app.url).port), '127.0.0.1')
    const answered = once(app.app.server, 'request').then(([, response]) => once(response, 'close'))
    const head = `POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nX-Request-Id: went-away\r\nContent-Type: application/json\r\nContent-Length: 100\r\n`
    socket.write(`${head}Authorization: Bearer ${grace.accessToken}\r\n\r\n{"title":`, () => socket.destroy())
    await answered
    await as()('getLiveness', { expect: 200 })
    t.same(
      logged.filter(({ requestId, level }) => requestId === 'went-away' && Number(level) >= 40),
      [],
    )
  })
})
