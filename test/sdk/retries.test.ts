import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import type { Answer, Call, Docket, DocketOptions } from '../../sdk/src/index.ts'
import { json, problem, type RecordingFetch, scripted } from './fetches.ts'
import { installSdk } from './installed.ts'

const ID = '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10'
const TIMEOUT = 60_000

type Failure = () => Response | Error

const RATE_LIMITED: Failure = () => problem(429, 'RATE_LIMITED', { 'Retry-After': '7' })
const UNAVAILABLE: Failure = () => problem(503, 'UNAVAILABLE', { 'Retry-After': '1' })
const IN_PROGRESS: Failure = () => problem(409, 'IDEMPOTENCY_IN_PROGRESS', { 'Retry-After': '1' })
const BROKEN: Failure = () => new TypeError('fetch failed')
const BREAKING_OFF: Failure = () => {
  const body = new ReadableStream({ start: (stream) => stream.error(new TypeError('terminated')) })
  return new Response(body, { headers: { 'Content-Type': 'application/json' } })
}
const DONE = () => json(200, { items: [], nextCursor: null })

t.test('retries', async (t) => {
  const { sdk } = await installSdk(t)
  const { createDocket, DocketConnectionError, DocketError } = sdk
  const docketOf = ({ fetch }: RecordingFetch, options: Partial<DocketOptions> = {}) =>
    createDocket({ baseUrl: 'http://docket.test', token: 'token', fetch, ...options } as DocketOptions)

  /** Makes every wait short and keeps how long it would have been; the time limits of calls are none. */
  const recordDelays = (t: Test, jitter: number): number[] => {
    const delays: number[] = []
    const { setTimeout } = globalThis
    t.intercept(Math, 'random', { value: () => jitter })
    t.intercept(globalThis, 'setTimeout', {
      value: (callback: () => void, milliseconds: number) => {
        if (milliseconds === TIMEOUT) return setTimeout(callback, milliseconds)
        delays.push(milliseconds)
        return setTimeout(callback, 0)
      },
    })
    return delays
  }

  const calls: Record<string, (docket: Docket) => Call<Answer<unknown>>> = {
    GET: (docket) => docket.tasks.list(),
    DELETE: (docket) => docket.tasks.delete(ID),
    'DELETE with If-Match': (docket) => docket.tasks.delete(ID, { ifMatch: '"1"' }),
    PATCH: (docket) => docket.tasks.update(ID, { completed: true }),
    'PATCH with If-Match': (docket) => docket.tasks.update(ID, { completed: true }, { ifMatch: '"1"' }),
    'POST that creates': (docket) => docket.tasks.create({ title: 'Milk' }),
    'POST that mails': (docket) => docket.auth.resendVerification(),
    'POST that registers': (docket) => docket.auth.register({ email: 'ada@example.com', username: 'ada', password: 'correct horse' }),
    'POST that logs out': (docket) => docket.auth.logout(),
    'POST that logs in': (docket) => docket.auth.login({ username: 'ada', password: 'correct horse' }),
    'POST for a token': (docket) => docket.auth.createToken({ grant_type: 'password', username: 'ada', password: 'correct horse' }),
  }
  const afterDoubt = [
    'GET',
    'DELETE',
    'DELETE with If-Match',
    'PATCH',
    'POST that creates',
    'POST that mails',
    'POST that logs in',
    'POST for a token',
  ]
  const repeated: readonly [string, Failure, readonly string[]][] = [
    ['429', RATE_LIMITED, Object.keys(calls)],
    ['409 while it is being carried out', IN_PROGRESS, Object.keys(calls)],
    ['503', UNAVAILABLE, afterDoubt],
    ['no answer', BROKEN, afterDoubt],
    ['a body that breaks off', BREAKING_OFF, afterDoubt],
  ]
  for (const [name, failure, which] of repeated) {
    for (const [request, call] of Object.entries(calls)) {
      const again = which.includes(request)
      t.test(`${name} to a ${request}: ${again ? 'twice again, then the failure' : 'once'}`, async (t) => {
        recordDelays(t, 0)
        const failing = scripted(failure)
        const error = await call(docketOf(failing)).catch((reason: unknown) => reason)
        t.ok(error instanceof DocketError || error instanceof DocketConnectionError)
        t.equal(failing.requests.length, again ? 3 : 1)
        if (!again) return
        const passing = scripted(failure, failure, DONE)
        await call(docketOf(passing))
        t.equal(passing.requests.length, 3)
        const bodies = await Promise.all(passing.requests.map((request) => request.text()))
        t.strictSame(bodies, [bodies[0], bodies[0], bodies[0]], 'with the same body')
        const keys = passing.requests.map(({ headers }) => headers.get('idempotency-key'))
        t.strictSame(keys, [keys[0], keys[0], keys[0]], 'with the same key')
      })
    }
  }

  for (const [status, code] of [
    [400, 'MALFORMED_REQUEST'],
    [403, 'FORBIDDEN'],
    [404, 'NOT_FOUND'],
    [409, 'CONFLICT'],
    [412, 'PRECONDITION_FAILED'],
    [422, 'VALIDATION_FAILED'],
    [500, 'INTERNAL_ERROR'],
  ] as const) {
    t.test(`${status}: not repeated`, async (t) => {
      const wire = scripted(() => problem(status, code))
      await t.rejects(docketOf(wire).tasks.get(ID), { status, code })
      t.equal(wire.requests.length, 1)
    })
  }

  t.test('maxRetries, of the client and of a call', async (t) => {
    recordDelays(t, 0)
    for (const [client, call, requests] of [
      [0, undefined, 1],
      [4, undefined, 5],
      [4, 1, 2],
      [undefined, 0, 1],
    ] as const) {
      const wire = scripted(UNAVAILABLE)
      await t.rejects(docketOf(wire, { maxRetries: client }).tasks.list({}, { maxRetries: call }), { status: 503, code: 'UNAVAILABLE' })
      t.equal(wire.requests.length, requests)
    }
  })

  t.test('the wait doubles, is anything up to that, and ends at 8 seconds', async (t) => {
    const delays = recordDelays(t, 0.5)
    await t.rejects(docketOf(scripted(BROKEN), { maxRetries: 7 }).tasks.list(), { name: 'DocketConnectionError' })
    t.strictSame(delays, [125, 250, 500, 1000, 2000, 4000, 4000])
  })

  t.test('Retry-After is the least, in seconds or as a date', async (t) => {
    const now = Date.parse('2026-01-31T09:30:00.000Z')
    const delays = recordDelays(t, 0.5)
    t.intercept(Date, 'now', { value: () => now })
    for (const [value, least] of [
      ['3', 3000],
      ['0', 0],
      ['30', 30_000],
      ['Sat, 31 Jan 2026 09:30:05 GMT', 5000],
      ['Sat, 31 Jan 2026 09:29:00 GMT', 0],
      ['soon', 0],
      ['', 0],
    ] as const) {
      delays.length = 0
      await docketOf(scripted(() => problem(503, 'UNAVAILABLE', { 'Retry-After': value }), DONE)).tasks.list()
      await docketOf(scripted(() => problem(429, 'RATE_LIMITED', { 'Retry-After': value }), DONE)).tasks.list()
      t.strictSame(delays, [least + 125, least + 125], value)
    }
  })

  for (const value of ['31', '3600', 'Sat, 31 Jan 2099 09:30:00 GMT', '9'.repeat(400)]) {
    t.test(`Retry-After: ${value.slice(0, 40)} is too long to wait for`, async (t) => {
      const wire = scripted(() => problem(503, 'UNAVAILABLE', { 'Retry-After': value }))
      const error = await docketOf(wire)
        .tasks.list()
        .catch((reason: unknown) => reason)
      t.ok(error instanceof DocketError && error.headers.get('retry-after') === value)
      t.equal(wire.requests.length, 1)
    })
  }

  t.test('getReadiness: 503 is an answer, unless it is no report', async (t) => {
    recordDelays(t, 0)
    const unhealthy = scripted(() => json(503, { status: 'unhealthy' }, { 'Retry-After': '1' }))
    const { status, data } = await docketOf(unhealthy).health.getReadiness().withResponse()
    t.strictSame([status, data.status], [503, 'unhealthy'])
    t.equal(unhealthy.requests.length, 1)
    const proxy = scripted(() => new Response('<h1>Service Unavailable</h1>', { status: 503, headers: { 'Content-Type': 'text/html' } }))
    await t.rejects(docketOf(proxy).health.getReadiness(), { name: 'DocketError', message: /^503/ })
    t.equal(proxy.requests.length, 3)
  })
})

t.test('cancelling', async (t) => {
  const { sdk, sdkFolder } = await installSdk(t)
  const { createDocket } = sdk
  const reason = new Error('changed my mind')
  const docketOf = ({ fetch }: RecordingFetch) => createDocket({ baseUrl: 'http://docket.test', token: 'token', fetch })
  const page = (...titles: string[]) => json(200, { items: titles.map((title) => ({ title })), nextCursor: 'next' })
  const nothing = () => new Promise<Response>(() => undefined)
  const fetching = (fetch: (request: Request) => Promise<Response>) => createDocket({ baseUrl: 'http://docket.test', token: 'token', fetch })

  t.test('before the call: nothing is sent', async (t) => {
    const wire = scripted(DONE)
    await t.rejects(docketOf(wire).tasks.list({}, { signal: AbortSignal.abort(reason) }), reason)
    t.equal(wire.requests.length, 0)
  })

  t.test('while the request is under way, even if fetch knows no signals: the reason, the same object', async (t) => {
    const abort = new AbortController()
    let sent: Request | undefined
    const call = fetching((request) => {
      sent = request
      return nothing()
    }).tasks.create({ title: 'Milk' }, { signal: abort.signal })
    setImmediate(() => abort.abort(reason))
    t.equal(await call.catch((error: unknown) => error), reason)
    t.equal(sent?.signal.aborted, true)
  })

  t.test('while waiting to repeat: at once', async (t) => {
    const abort = new AbortController()
    const wire = scripted(() => {
      setImmediate(() => abort.abort(reason))
      return problem(503, 'UNAVAILABLE', { 'Retry-After': '25' })
    })
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const [startedAt, before] = [Date.now(), timers()]
    t.equal(
      await docketOf(wire)
        .tasks.list({}, { signal: abort.signal })
        .catch((error: unknown) => error),
      reason,
    )
    t.ok(Date.now() - startedAt < 20_000)
    t.equal(timers(), before, 'no timer keeps the program alive')
    t.equal(wire.requests.length, 1)
  })

  t.test('at the very moment in which the next step begins', async (t) => {
    const { abortable } = (await import(pathToFileURL(path.join(sdkFolder, 'dist/abort.js')).href)) as typeof import('../../sdk/src/abort.ts')
    t.equal(await abortable(nothing(), AbortSignal.abort(reason)).catch((error: unknown) => error), reason)
  })

  t.test('while iterating: before the next item, and before the next page', async (t) => {
    for (const titles of [['a', 'b'], ['a']]) {
      const abort = new AbortController()
      const wire = scripted(() => page(...titles))
      const seen: string[] = []
      const iterate = async () => {
        for await (const { title } of docketOf(wire).tasks.list({}, { signal: abort.signal })) {
          seen.push(title)
          abort.abort(reason)
        }
      }
      t.equal(await iterate().catch((error: unknown) => error), reason)
      t.strictSame(seen, ['a'])
      t.equal(wire.requests.length, 1)
    }
  })

  t.test('without a reason of its own: an AbortError, as with fetch', async (t) => {
    await t.rejects(fetching(nothing).tasks.list({}, { signal: AbortSignal.abort() }), { name: 'AbortError' })
  })

  t.test('timeout: a DocketConnectionError, which is not repeated', async (t) => {
    let sent = 0
    const docket = fetching(() => {
      sent += 1
      return nothing()
    })
    await t.rejects(docket.tasks.list({}, { timeout: 10 }), { name: 'DocketConnectionError', message: 'There was no answer within 10 ms.' })
    t.equal(sent, 1)
    const slow = createDocket({ baseUrl: 'http://docket.test', timeout: Infinity, fetch: () => sleep(20, json(200, { status: 'ok' })) })
    t.same(await slow.health.getLiveness(), { status: 'ok' })
    const impatient = createDocket({ baseUrl: 'http://docket.test', timeout: 20, fetch: async () => UNAVAILABLE() as Response })
    await t.rejects(impatient.health.getLiveness(), { message: 'There was no answer within 20 ms.' }, 'it counts the waiting as well')
  })
})

t.test('paging', async (t) => {
  const { sdk } = await installSdk(t)
  const pages = [
    { items: [{ title: 'a' }, { title: 'b' }], nextCursor: 'second' },
    { items: [], nextCursor: 'third' },
    { items: [{ title: 'c' }], nextCursor: null },
  ]
  const start = () => {
    const wire = scripted(...pages.map((page) => () => json(200, page)))
    const docket = sdk.createDocket({ baseUrl: 'http://docket.test/', token: 'token', fetch: wire.fetch })
    const queries = () => wire.requests.map(({ url }) => decodeURIComponent(new URL(url).search))
    return { queries, tasks: docket.tasks.list({ q: 'milk -oat', priority: ['high', 'low'], completed: false }) }
  }
  const FILTERS = '?q=milk -oat&priority=high&priority=low&completed=false'

  t.test('fetches a page when its first item is asked for, with the same filters', async (t) => {
    const { tasks, queries } = start()
    const seen: [string, number][] = []
    for await (const { title } of tasks) seen.push([title, queries().length])
    t.strictSame(seen, [
      ['a', 1],
      ['b', 1],
      ['c', 3],
    ])
    t.strictSame(queries(), [FILTERS, `${FILTERS}&cursor=second`, `${FILTERS}&cursor=third`])
  })

  t.test('fetches no page that nobody wants', async (t) => {
    const { tasks, queries } = start()
    for await (const _ of tasks) break
    t.strictSame(queries(), [FILTERS])
    t.strictSame(await tasks, pages[0], 'awaited, it is the first page, which is there already')
    t.equal((await tasks.withResponse()).requestId, 'request-1')
    t.equal(queries().length, 1)
  })

  t.test('page by page', async (t) => {
    const { tasks } = start()
    const seen: unknown[] = []
    for await (const page of tasks.pages()) seen.push(page)
    t.strictSame(seen, pages)
  })
})
