import t from 'tap'
import { databaseEnvironment, EMBEDDED, PASSWORD } from '../support/app.ts'
import { callerOf } from '../support/client.ts'
import { until } from '../support/jobs.ts'
import { type ServerProcess, startServer, startWorker } from '../support/process.ts'
import { having, type Sample, samplesOf, valueIn } from './exposition.ts'
import { queries, selectorsOf } from './queries.ts'

const TOKEN = 'eight-times-two-or-more'
const DURATIONS = 'docket_http_request_duration_seconds'
/** What Prometheus and its configuration add to each series, and the edges of buckets. */
const ADDED = new Set(['job', 'instance', 'le'])

const metricsUrl = ({ output }: ServerProcess) => /Metrics: (http:\S+)\/metrics/.exec(output())?.[1]

t.test('metrics', async (t) => {
  const environment = { ...(await databaseEnvironment(t)), METRICS_PORT: '0', METRICS_TOKEN: TOKEN }
  const server = await startServer(t, environment)
  const get = (path: string, headers = {}, process = server) => fetch(`${metricsUrl(process)}${path}`, { headers })
  const scrape = async (process = server): Promise<Sample[]> =>
    samplesOf(await (await get('/metrics', { Authorization: `Bearer ${TOKEN}` }, process)).text())

  const call = (token?: string) => callerOf(server.url, token, new Map())
  const { body } = await call()('register', { body: { username: 'ada', email: 'ada@example.com', password: PASSWORD }, expect: 201 })
  const ada = call(body.accessToken)
  await ada('createTask', { body: { title: 'Write' }, expect: 201 })
  for (let times = 0; times < 3; times++) await ada('listTasks', { expect: 200 })
  await call()('listTasks', { expect: 401 } as never)
  await fetch(`${server.url}/api/v1/tasks`, { method: 'PROPFIND' })
  for (let path = 0; path < 20; path++) await fetch(`${server.url}/nowhere/${path}`)
  const samples = await scrape()

  t.test('are on a port of their own, for whoever brings the token', async (t) => {
    t.equal((await fetch(`${server.url}/metrics`)).status, 404)
    const answer = await get('/metrics', { Authorization: `bearer ${TOKEN}` })
    t.equal(answer.status, 200)
    t.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
    for (const headers of [{}, { Authorization: `Bearer ${TOKEN}x` }, { Authorization: TOKEN }]) {
      const refused = await get('/metrics', headers)
      t.equal(refused.status, 401)
      t.equal(refused.headers.get('www-authenticate'), 'Bearer')
      t.equal(await refused.text(), '')
    }
    t.equal((await get('/')).status, 404)
    t.equal((await fetch(`${metricsUrl(server)}/metrics`, { method: 'POST' })).status, 405)
  })

  t.test('count requests by operation, method and status', async (t) => {
    const counted = (operation: string, method: string, status: string) => valueIn(samples, `${DURATIONS}_count`, { operation, method, status })
    t.equal(counted('register', 'POST', '201'), 1)
    t.equal(counted('createTask', 'POST', '201'), 1)
    t.equal(counted('listTasks', 'GET', '200'), 3)
    t.equal(counted('listTasks', 'GET', '401'), 1)
    t.equal(counted('none', 'other', '405'), 1)
    t.equal(counted('none', 'GET', '404'), 21 - 1, 'all paths that do not exist are one')
    const buckets = having(samples, `${DURATIONS}_bucket`, { operation: 'listTasks', status: '200' })
    t.same(
      buckets.map(({ labels }) => labels['le']),
      ['0.001', '0.002', '0.005', '0.01', '0.02', '0.05', '0.1', '0.2', '0.5', '1', '2', '5', '10', '+Inf'],
    )
    t.equal(buckets.at(-1)?.value, 3)
    t.notOk(JSON.stringify(samples).includes('nowhere'))
  })

  t.test('tell what the parts of the server do', async (t) => {
    t.equal(valueIn(samples, 'docket_principal_lookups_total', { token: 'session', result: 'miss' }), 1)
    t.equal(valueIn(samples, 'docket_principal_lookups_total', { token: 'session', result: 'hit' }), 3)
    t.equal(valueIn(samples, 'docket_password_hashes', { state: 'waiting' }), 0)
    t.equal(valueIn(samples, 'docket_build_info'), 1)
    t.equal(valueIn(samples, 'docket_jobs_due', { queue: 'mail-token' }), 0)
    t.equal(having(samples, 'docket_database_connections_limit').length, EMBEDDED ? 0 : 7)
    const stream = new AbortController()
    await fetch(`${server.url}/api/v1/events`, { headers: { Authorization: `Bearer ${body.accessToken}` }, signal: stream.signal })
    t.equal(valueIn(await scrape(), 'docket_event_streams'), 1)
    stream.abort()
    await until(async () => valueIn(await scrape(), 'docket_event_streams') === 0)
  })

  t.test('of a worker are those of its process', { skip: EMBEDDED && 'no workers' }, async (t) => {
    const worker = await startWorker(t, environment)
    const found = await scrape(worker)
    t.equal(valueIn(found, 'docket_jobs_due', { queue: 'mail-token' }), 0)
    t.equal(valueIn(found, 'docket_mails_total', { outcome: 'sent' }), 0)
    t.equal(valueIn(found, 'docket_event_streams'), undefined)
    t.equal(await worker.end('SIGTERM'), 0)
  })

  t.test('are all that the dashboard and the alerts ask for', async (t) => {
    const known = new Map(samples.map(({ name, labels }) => [name, new Set(Object.keys(labels))]))
    const titles = queries()
    t.ok(titles.length > 30)
    for (const [title, query] of titles) {
      for (const { metric, labels } of selectorsOf(query)) {
        // Prometheus' own.
        if (metric === 'up') continue
        // Of connections, which the embedded database does not have.
        if (EMBEDDED && metric.startsWith('docket_database_')) continue
        t.ok(known.has(metric), `${title}: ${metric}`)
        for (const label of labels) t.ok(ADDED.has(label) || known.get(metric)?.has(label), `${title}: ${label} of ${metric}`)
      }
    }
  })

  t.test('end with the server', async (t) => {
    t.equal(await server.end('SIGTERM'), 0)
    await t.rejects(get('/metrics'))
  })
})
