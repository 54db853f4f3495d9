import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import path from 'node:path'
import t from 'tap'
import { AUTH_SECRET, databaseEnvironment, EMBEDDED, PASSWORD } from '../support/app.ts'
import { callerOf } from '../support/client.ts'
import { until } from '../support/jobs.ts'
import { startServer, temporaryFolder } from '../support/process.ts'
import { type CollectedSpan, startCollector } from './collector.ts'

const [SERVER, CLIENT] = [2, 3]
const ERROR = 2

t.test('tracing', async (t) => {
  const collector = await startCollector(t)
  const server = await startServer(t, {
    ...(await databaseEnvironment(t)),
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_SERVICE_NAME: 'docket-here',
    OTEL_BSP_SCHEDULE_DELAY: '50',
  })
  const call = (token?: string) => callerOf(server.url, token, new Map())
  const { body } = await call()('register', { body: { username: 'ada', email: 'ada@example.com', password: PASSWORD }, expect: 201 })
  const ada = call(body.accessToken)

  const spanOf = async (requestId: string): Promise<CollectedSpan> => {
    const find = () => collector.spans.find(({ attributes }) => attributes['docket.request_id'] === requestId)
    await until(() => find() !== undefined)
    return find() as CollectedSpan
  }
  /** Statements end before the answer leaves, so that they arrive with it at the latest. */
  const childrenOf = ({ spanId, traceId }: CollectedSpan) =>
    collector.spans.filter((span) => span.parentSpanId === spanId && span.traceId === traceId && span.scope === '@opentelemetry/instrumentation-pg')
  const textsOf = (spans: readonly CollectedSpan[]) => spans.flatMap(({ attributes }) => attributes['db.query.text'] ?? []).join('\n')

  t.test('a request is a span of the server, named by method and route', async (t) => {
    const { headers } = await ada('listTasks', { query: { q: 'sesame' }, expect: 200 })
    const span = await spanOf(headers.get('x-request-id') ?? '')
    t.match(span, { kind: SERVER, name: 'GET /api/v1/tasks', service: 'docket-here', scope: '@fastify/otel', status: { code: 0 } })
    t.match(span.attributes, {
      'docket.operation': 'listTasks',
      'http.route': '/api/v1/tasks',
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'url.path': '/api/v1/tasks',
    })
    t.equal(span.parentSpanId, undefined)
    await until(() => server.output().includes(`"traceId":"${span.traceId}","operation":"listTasks"`))
  })

  t.test(
    'its statements are its children, on pipelines and in transactions, with a body read before',
    { skip: EMBEDDED && 'no driver that is instrumented' },
    async (t) => {
      // A pipeline is connected when there is something to send, and stood in for until it is.
      for (let turn = 0; turn < 30; turn++) await ada('createTask', { body: { title: 'First' }, expect: 201 })
      const { body: task, headers: created } = await ada('createTask', { body: { title: 'Write' }, expect: 201 })
      const creating = childrenOf(await spanOf(created.get('x-request-id') ?? ''))
      t.match(textsOf(creating), /insert into "tasks"/)
      t.ok(creating.every(({ kind, attributes }) => kind === CLIENT && attributes['db.system.name'] === 'postgresql'))

      for (let turn = 0; turn < 30; turn++) await ada('getTask', { params: { taskId: task.id }, expect: 200 })
      const { headers: read } = await ada('getTask', { params: { taskId: task.id }, expect: 200 })
      t.match(textsOf(childrenOf(await spanOf(read.get('x-request-id') ?? ''))), /from "tasks"/)

      const { headers: moved } = await ada('createList', {
        body: { title: 'Errands' },
        headers: { 'Idempotency-Key': 'once-and-for-all' },
        expect: 201,
      })
      const inTransaction = textsOf(childrenOf(await spanOf(moved.get('x-request-id') ?? '')))
      t.match(inTransaction, /begin/)
      t.match(inTransaction, /insert into "lists"/)
    },
  )

  t.test('a trace that comes in with a request is continued', async (t) => {
    const [traceId, parentSpanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']
    const { headers } = await ada('listLists', { headers: { traceparent: `00-${traceId}-${parentSpanId}-01` }, expect: 200 })
    t.match(await spanOf(headers.get('x-request-id') ?? ''), { traceId, parentSpanId })
  })

  t.test('what was refused is no error of the server, and says nothing of what was sent', async (t) => {
    const { headers } = await ada('createTask', { body: { title: 'marker-title', nonsense: 'marker-field' } as never, expect: 422 })
    const refused = await spanOf(headers.get('x-request-id') ?? '')
    t.equal(refused.attributes['http.response.status_code'], 422)
    t.not(refused.status.code, ERROR)
    const nowhere = await fetch(`${server.url}/nowhere?q=sesame`)
    t.match(await spanOf(nowhere.headers.get('x-request-id') ?? ''), { name: 'GET' })
  })

  t.test('nothing is sent at all of bodies, tokens, queries, values and messages of errors', async (t) => {
    await call()('login', { body: { username: 'ada', password: 'marker-wrong-password' }, expect: 401 })
    await ada('createList', { body: { title: 'marker-list' }, expect: 201 })
    const { headers } = await call(`${body.accessToken}x`)('getMe', { expect: 401 })
    await spanOf(headers.get('x-request-id') ?? '')
    const raw = collector.raw()
    t.ok(raw.includes('createList'))
    for (const secret of ['marker-', 'sesame', 'ada@example.com', PASSWORD, body.accessToken, body.refreshToken, 'Bearer', AUTH_SECRET, body.user.id])
      t.notOk(raw.includes(secret), secret)
    t.ok(collector.spans.every(({ events, status }) => events.length === 0 && status.message === undefined))
  })

  t.test('the server ends in time', async (t) => {
    t.equal(await server.end('SIGTERM'), 0)
  })
})

t.test('when the process ends', async (t) => {
  /** A server that keeps its spans for longer than the test takes, and the id of a request to it. */
  const startTraced = async (collector: string) => {
    const environment = await databaseEnvironment(t)
    const server = await startServer(t, { ...environment, OTEL_EXPORTER_OTLP_ENDPOINT: collector, OTEL_BSP_SCHEDULE_DELAY: '600000' })
    const { headers } = await fetch(`${server.url}/api/v1/health`)
    return { server, requestId: headers.get('x-request-id') }
  }

  await t.test('what it has kept of its spans is sent', async (t) => {
    const collector = await startCollector(t)
    const { server, requestId } = await startTraced(collector.url)
    t.same(collector.spans, [])
    t.equal(await server.end('SIGTERM'), 0)
    t.same(
      collector.spans.map(({ attributes }) => attributes['docket.request_id']),
      [requestId],
    )
  })

  await t.test('a collector that takes spans and never answers does not keep it', async (t) => {
    const sockets: Socket[] = []
    const silent = createServer((socket) => void sockets.push(socket.on('error', () => undefined)))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      for (const socket of sockets) socket.destroy()
      silent.close()
    })
    const { server } = await startTraced(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`)
    t.equal(await server.end('SIGTERM'), 0)
    t.ok(sockets.length > 0, 'it was asked')
  })
})

t.test('neither metrics nor tracing are loaded unless they are asked for', async (t) => {
  const folder = mkdtempSync(path.join(temporaryFolder(t), 'coverage-'))
  const server = await startServer(t, {
    ...(await databaseEnvironment(t)),
    OTEL_SERVICE_NAME: 'docket-here',
    METRICS_TOKEN: 'eight-times-two-or-more',
    NODE_V8_COVERAGE: folder,
  })
  await fetch(`${server.url}/api/v1/health`)
  t.equal(await server.end('SIGTERM'), 0)
  const loaded = readdirSync(folder).map((name) => readFileSync(path.join(folder, name), 'utf8'))
  t.ok(loaded.some((scripts) => scripts.includes('/node_modules/fastify/')))
  for (const name of ['@opentelemetry', '@fastify/otel', '@prometheus-io', 'src/metrics', 'src/tracing']) {
    t.notOk(
      loaded.some((scripts) => scripts.includes(name)),
      name,
    )
  }
})
