import t, { type Test } from 'tap'
import type { Config, RateLimitConfig } from '../../src/config.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { everyHandler, serve } from '../contract/walk.ts'
import { startApp } from '../support/app.ts'
import { callerOf } from '../support/client.ts'
import { checkProblem } from '../support/contract-check.ts'
import { exchange } from './raw.ts'

/** The parameters of the one member that both headers must have: RFC 9651 §3.1, a list with a String and its parameters. */
function limitOf({ headers }: { headers: Headers }, name: string) {
  const read = (header: string) => {
    const member = headers
      .get(header)
      ?.split(', ')
      .find((item) => item.startsWith(`"${name}";`))
    return Object.fromEntries((member?.split(';').slice(1) ?? []).map((parameter) => [parameter.split('=')[0], Number(parameter.split('=')[1])]))
  }
  return { ...read('ratelimit-policy'), ...read('ratelimit') }
}

const fromAddress = (address: string) => ({ 'X-Forwarded-For': address })

t.test('rate limits', async (t) => {
  const app = await startApp(t)
  const { context, register } = app
  /** A server with counts of its own. */
  const start = async (t: Test, rateLimits: Partial<RateLimitConfig>, more: Partial<Config> = {}) => {
    const config = { ...context.config, ...more, rateLimits: { ...context.config.rateLimits, enabled: true, ...rateLimits } }
    const url = await serve(t, { ...context, config }, (handlers) => handlers)
    return { url, context: { ...context, config }, as: (person?: { accessToken: string }) => callerOf(url, person?.accessToken, new Map()) }
  }
  const behindProxy = { trustedProxies: ['127.0.0.1'] }

  t.test('by address: every request without a token counts, whatever its answer, until there are too many', async (t) => {
    const { url } = await start(t, { anonymous: 8 })
    const requests: readonly [status: number, path: string, init?: RequestInit][] = [
      [401, '/api/v1/tasks'],
      [404, '/nowhere'],
      [404, '/nowhere', { headers: { Authorization: 'Bearer x' } }],
      [405, '/api/v1/tasks', { method: 'DELETE' }],
      [401, '/api/v1/tasks', { headers: { Authorization: 'Bearer x' } }],
      [422, '/api/v1/auth/login', { method: 'POST', body: '{}', headers: { 'Content-Type': 'application/json', Authorization: 'Basic Og==' } }],
      [200, '/openapi.json'],
      [200, '/docs/'],
    ]
    for (const [index, [status, path, init]] of requests.entries()) {
      const response = await fetch(url + path, init)
      t.equal(response.status, status, path)
      t.match(limitOf(response, 'anonymous'), { q: 8, w: 60, r: 7 - index }, path)
      t.equal(response.headers.get('retry-after'), null)
    }
    for (const [, path, init] of requests) {
      const response = await fetch(url + path, init)
      const { t: seconds = 0, ...limit } = limitOf(response, 'anonymous')
      t.equal(response.status, 429, path)
      t.same(limit, { q: 8, w: 60, r: 0 })
      t.ok(seconds > 0 && seconds <= 60)
      t.equal(Number(response.headers.get('retry-after')), seconds)
      t.equal(response.headers.get('www-authenticate'), null)
      const text = await response.text()
      checkProblem(429, response.headers, text)
      t.match(JSON.parse(text), { code: 'RATE_LIMITED', detail: /^There are too many requests\. Try again in \d+ seconds?\.$/ })
    }
  })

  t.test('health is never limited, nor is the preflight of a browser', async (t) => {
    const { url, as } = await start(t, { anonymous: 1 }, { corsOrigins: ['https://app.example.com'] })
    await fetch(`${url}/openapi.json`)
    t.equal((await fetch(`${url}/openapi.json`)).status, 429)
    for (const id of ['getLiveness', 'getReadiness'] as const) {
      const { status, headers } = await as()(id)
      t.equal(status, 200)
      t.equal(headers.get('ratelimit'), null)
    }
    const preflight = { Origin: 'https://app.example.com', 'Access-Control-Request-Method': 'GET', 'Access-Control-Request-Headers': 'authorization' }
    t.equal((await fetch(`${url}/api/v1/tasks`, { method: 'OPTIONS', headers: preflight })).status, 204)
  })

  t.test('by user, from whatever address and with whatever session; other users have limits of their own', async (t) => {
    const { as, url } = await start(t, { user: 3 }, behindProxy)
    const ada = await register()
    const grace = await register()
    const { body: second } = await as()('login', { body: { username: ada.username, password: 'correct horse battery staple' }, expect: 200 })
    t.match(limitOf(await as(ada)('getMe', { expect: 200 }), 'user'), { q: 3, w: 60, r: 2 })
    t.match(limitOf(await as(second)('getMe', { headers: fromAddress('203.0.113.7'), expect: 200 }), 'user'), { r: 1 })
    t.match(limitOf(await as(ada)('createTask', { body: { title: '' } as never, expect: 422 }), 'user'), { r: 0 })
    const refused = await as(ada)('getMe', { headers: fromAddress('203.0.113.8'), expect: 429 })
    t.match(limitOf(refused, 'user'), { r: 0 })
    await as(second)('listTasks', { expect: 429 })
    t.match(limitOf(await as(grace)('getMe', { expect: 200 }), 'user'), { r: 2 })

    const head = `POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer ${ada.accessToken}\r\n`
    const { status } = await exchange(url, `${head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n`)
    t.equal(status, 429, 'before the body is read')
  })

  t.test('an address without requests left: bad tokens get 429, good ones get through', async (t) => {
    const { as } = await start(t, { anonymous: 2 })
    const ada = await register()
    const bad = { accessToken: 'x' }
    t.match(limitOf(await as(bad)('getMe', { expect: 401 }), 'anonymous'), { r: 1 })
    t.match(limitOf(await as(ada)('getMe', { expect: 200 }), 'user'), { r: 1199 })
    t.match(limitOf(await as(bad)('createTask', { body: { title: 'Milk' }, expect: 401 }), 'anonymous'), { r: 0 })
    await as(bad)('getMe', { expect: 429 })
    await as()('getMe', { expect: 429 })
    await as()('login', { body: { username: 'ada', password: 'x' }, expect: 429 })
    const { body } = await as()('createToken', { body: { grant_type: 'password', username: 'ada', password: 'x' }, expect: 429 })
    t.match(body, { code: 'RATE_LIMITED', error: 'temporarily_unavailable', error_description: /too many requests/ })
    await as(ada)('getMe', { expect: 200 })
    t.match(limitOf(await as(ada)('listUsers', { expect: 403 }), 'user'), { r: 1197 }, 'a good token counts against its user, whatever it may do')
  })

  t.test('one address is one limit, however it is written; others have their own', async (t) => {
    const { url } = await start(t, { anonymous: 2 }, behindProxy)
    const ask = async (address: string) => (await fetch(`${url}/openapi.yaml`, { headers: fromAddress(address) })).status
    for (const [first, second, third, other] of [
      ['192.0.2.1', '::ffff:192.0.2.1', '::ffff:c000:201', '192.0.2.2'],
      ['2001:db8::1', '2001:db8::2', '2001:DB8:0:0:ffff::', '2001:db8:0:1::1'],
    ] as const) {
      t.same([await ask(first), await ask(second), await ask(third), await ask(other)], [200, 200, 429, 200])
    }
  })

  t.test('a forged X-Forwarded-For of a peer that is no trusted proxy changes nothing', async (t) => {
    const { url } = await start(t, { anonymous: 2 })
    const ask = async (address: string) => (await fetch(`${url}/openapi.yaml`, { headers: fromAddress(address) })).status
    t.same([await ask('192.0.2.1'), await ask('192.0.2.2'), await ask('192.0.2.3')], [200, 200, 429])
  })

  t.test('registrations have a limit by the hour beside the one by the minute', async (t) => {
    const { as } = await start(t, { register: 2 }, behindProxy)
    let count = 0
    const registerFrom = (address: string) =>
      as()('register', {
        body: { username: `user-${count}`, email: `${count++}@example.com`, password: 'correct horse battery staple' },
        headers: fromAddress(address),
      })
    const first = await registerFrom('192.0.2.1')
    t.equal(first.status, 201)
    t.equal(first.headers.get('ratelimit-policy'), '"anonymous";q=300;w=60, "register";q=2;w=3600')
    t.match(limitOf(first, 'register'), { r: 1, t: 3600 })
    t.equal((await registerFrom('192.0.2.1')).status, 201)
    const refused = await registerFrom('192.0.2.1')
    t.equal(refused.status, 429)
    t.ok(Number(refused.headers.get('retry-after')) > 60)
    t.equal((await registerFrom('192.0.2.2')).status, 201)
    await as()('login', { body: { username: 'user-0', password: 'correct horse battery staple' }, headers: fromAddress('192.0.2.1'), expect: 200 })
  })

  t.test('what the server fails at is not counted against the address of a token', async (t) => {
    const { context, as } = await start(t, { anonymous: 2 })
    const ada = await register()
    const broken = await serve(t, context, (handlers) => everyHandler(handlers, async () => Promise.reject(new Error('a defect'))))
    for (let turn = 0; turn < 3; turn += 1) {
      const response = await fetch(`${broken}/api/v1/users/me`, { headers: { Authorization: `Bearer ${ada.accessToken}` } })
      t.equal(response.status, 500)
      t.match(limitOf(response, 'user'), { r: 1199 - turn })
    }
    await as()('getMe', { expect: 401 })
  })

  t.test('off: nothing is limited, and no header says so', async (t) => {
    const { as } = await start(t, { enabled: false, anonymous: 1, register: 1 })
    for (let turn = 0; turn < 3; turn += 1) {
      const { status, headers } = await as()('getMe' satisfies OperationId)
      t.equal(status, 401)
      t.same([headers.get('ratelimit'), headers.get('ratelimit-policy')], [null, null])
    }
  })
})
