import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { json, problem, scripted } from './fetches.ts'
import { installSdk } from './installed.ts'

t.test('answers', async (t) => {
  const { sdk } = await installSdk(t)
  const { createDocket, DocketError, DocketConnectionError } = sdk
  const answering = (...script: readonly (() => Response)[]) =>
    createDocket({ baseUrl: 'http://docket.test', token: 'token', maxRetries: 0, fetch: scripted(...script).fetch })
  const failure = (work: PromiseLike<unknown>) => work.then(undefined, (error: unknown) => error)

  t.test('a problem: all that it says', async (t) => {
    const errors = [
      { in: 'body', path: '/title', code: 'minLength', message: 'must not be blank' },
      { in: 'query', path: '/limit', code: 'maximum', message: 'must be at most 100' },
    ]
    const body = {
      type: 'urn:docket:problem:validation-failed',
      title: 'Validation failed',
      status: 422,
      detail: 'There are 2 invalid fields.',
      errors,
    }
    const error = await failure(answering(() => json(422, { ...body, code: 'VALIDATION_FAILED', requestId: 'request-1' })).tasks.list())
    t.ok(error instanceof DocketError && error instanceof Error && !(error instanceof DocketConnectionError))
    t.match(error, {
      name: 'DocketError',
      message: 'Validation failed: There are 2 invalid fields. (body /title must not be blank; query /limit must be at most 100)',
      status: 422,
      code: 'VALIDATION_FAILED',
      title: 'Validation failed',
      detail: 'There are 2 invalid fields.',
      errors,
      requestId: 'request-1',
      body,
    })
    t.equal((error as InstanceType<typeof DocketError>).headers.get('x-request-id'), 'request-1')
  })

  t.test('an answer that is not one of Docket: an error that says so, whatever its status', async (t) => {
    const html =
      (status: number, statusText = '') =>
      () =>
        new Response('<h1>Hello</h1>', { status, statusText, headers: { 'Content-Type': 'text/html' } })
    for (const [answer, message] of [
      [html(200, 'OK'), /^200 OK: .* Does baseUrl lead to it/],
      [html(404), /^404: /],
      [html(502, 'Bad Gateway'), /^502 Bad Gateway: /],
      [() => new Response('{"id":', { headers: { 'Content-Type': 'application/json' } }), /^200: /],
      [() => new Response('{"status":"ok"}', { headers: { 'Content-Type': 'text/plain' } }), /^200: /],
      [() => new Response(null), /^200: /],
      [() => json(500, null), /^500: /],
      [() => new Response(null, { status: 304 }), /^304: /],
    ] as const) {
      const error = await failure(answering(answer).health.getLiveness())
      t.ok(error instanceof DocketError)
      t.match(error, { message, code: undefined, errors: [] })
    }
  })

  t.test('an ETag that a proxy took away is never taken for any', async (t) => {
    const { etag } = await answering(() => json(200, {}))
      .tasks.get('1')
      .withResponse()
    const wire = scripted(() => json(200, {}))
    await createDocket({ baseUrl: 'http://docket.test', token: 'token', fetch: wire.fetch }).tasks.update('1', { completed: true }, { ifMatch: etag })
    t.equal(wire.requests[0]?.headers.get('if-match'), '', 'which the server refuses')
  })

  t.test('a baseUrl may have a path, and slashes at its end', async (t) => {
    for (const baseUrl of ['http://docket.test', 'http://docket.test/', 'http://docket.test/behind/proxy//']) {
      const wire = scripted(() => json(200, { status: 'ok' }))
      await createDocket({ baseUrl, fetch: wire.fetch }).health.getLiveness()
      t.equal(wire.requests[0]?.url, `${baseUrl.replace(/\/+$/, '')}/api/v1/health`)
    }
    await t.rejects(createDocket({ baseUrl: 'nowhere' }).health.getLiveness(), { name: 'TypeError' }, 'one that is none is a mistake, not a failure')
  })

  t.test('the global fetch is the one of the moment of the call', async (t) => {
    const docket = createDocket({ baseUrl: 'http://docket.test' })
    t.intercept(globalThis, 'fetch', { value: async () => json(200, { status: 'ok' }) })
    t.strictSame(await docket.health.getLiveness(), { status: 'ok' })
  })

  t.test('a call behaves like a promise', async (t) => {
    const call = answering(() => json(200, { status: 'ok' })).health.getLiveness()
    t.strictSame(await call.then(({ status }) => status), 'ok')
    t.strictSame(await call.finally(() => undefined), { status: 'ok' })
    t.strictSame(await Promise.all([call, call]), [{ status: 'ok' }, { status: 'ok' }])
    t.match(await call.withResponse(), { status: 200, data: { status: 'ok' }, requestId: 'request-1' })
    t.equal(String(call), '[object Call]')
    const failing = answering(() => problem(404, 'NOT_FOUND')).tasks.get('1')
    t.equal(await failing.catch((error: unknown) => error instanceof DocketError && error.code), 'NOT_FOUND')
  })

  t.test('a failure that is looked at in any one way is not an unhandled rejection', async (t) => {
    const unhandled: unknown[] = []
    const listen = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', listen)
    t.teardown(() => process.off('unhandledRejection', listen))
    const docket = answering(() => problem(404, 'NOT_FOUND'))
    await failure(docket.tasks.get('1'))
    await failure(docket.tasks.get('1').withResponse())
    await failure(docket.tasks.list())
    await failure(docket.tasks.list().pages().next())
    await failure(docket.auth.logout())
    await failure(docket.auth.login({ username: 'ada', password: 'x' }).withResponse())
    await sleep(0)
    t.strictSame(unhandled, [])
  })

  t.test('nothing of the password or the tokens shows when a client is printed', async (t) => {
    const { inspect } = await import('node:util')
    const docket = createDocket({ baseUrl: 'http://docket.test', username: 'ada', password: 'secret horse', token: 'secret', refreshToken: 'secret' })
    t.notMatch(inspect(docket, { depth: 10, showHidden: true }) + JSON.stringify(docket), 'secret')
  })
})
