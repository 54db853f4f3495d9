import { fastify } from 'fastify'
import { pino } from 'pino'
import t from 'tap'
import { bindContract } from '../../src/contract/bind.ts'
import { parseSpec, readSpec, SpecError } from '../../src/contract/spec.ts'
import type { Handlers } from '../../src/contract/types.ts'
import { guardFront, sendFrontHeaders } from '../../src/http/front.ts'
import { renderProblems } from '../../src/http/problems.ts'
import { unauthenticated } from '../../src/problem.ts'
import { OPERATIONS } from './walk.ts'

const { text } = readSpec()
const authenticate = () => {
  throw unauthenticated('Nobody is known here.')
}

/** The real document with these lines added to getTask. */
const marked = (...lines: string[]) =>
  text.replace('operationId: getTask\n', `operationId: getTask\n${lines.map((line) => `      ${line}\n`).join('')}`)

t.test('a deprecated operation', async (t) => {
  t.test('announces its end with every answer, and no other operation does', async (t) => {
    const app = fastify()
    renderProblems(app, pino({ level: 'silent' }))
    sendFrontHeaders(app, { draining: false })
    guardFront(app)
    const handlers = Object.fromEntries(OPERATIONS.map((id) => [id, authenticate])) as unknown as Handlers
    const spec = parseSpec(marked('deprecated: true', 'x-deprecated-on: 2026-11-21', 'x-sunset-on: 2027-05-31'))
    const nobody = { recognises: () => true, authenticate }
    bindContract(app, {
      spec,
      handlers,
      idempotency: authenticate,
      security: { authenticators: { oauth2: nobody, bearerAuth: nobody, apiToken: nobody }, denied: () => undefined },
    })
    const url = '/api/v1/tasks/01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10'
    for (const headers of [{}, { authorization: 'Bearer nobody' }]) {
      const answer = await app.inject({ url, headers })
      t.equal(answer.statusCode, 401)
      t.match(answer.headers, { deprecation: '@1795219200', sunset: 'Mon, 31 May 2027 00:00:00 GMT' })
    }
    for (const [status, headers] of [
      [400, { 'content-length': '2' }],
      [431, Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`x-${index}`, 'x']))],
    ] as const) {
      const answer = await app.inject({ url, headers })
      t.equal(answer.statusCode, status)
      t.match(answer.headers, { deprecation: '@1795219200' })
    }
    const other = await app.inject({ method: 'DELETE', url })
    t.notOk('deprecation' in other.headers || 'sunset' in other.headers)
  })

  for (const [missing, line] of [
    ['x-sunset-on', 'x-deprecated-on: 2026-11-21'],
    ['x-deprecated-on', 'x-sunset-on: 2027-05-31'],
    ['x-sunset-on', 'x-deprecated-on: 2026-11-21\n      x-sunset-on: some day'],
  ] as const) {
    t.test(`stops the start with ${line.replace(/\s+/, ' ')} and no good ${missing}`, async (t) => {
      t.throws(() => parseSpec(marked('deprecated: true', line)), new SpecError(`getTask: is deprecated, so it needs the date ${missing}.`))
    })
  }
})
