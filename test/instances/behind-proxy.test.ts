import { randomUUID } from 'node:crypto'
import http from 'node:http'
import t, { type Test } from 'tap'
import type { Answer } from '../../src/contract/types.ts'
import { type Reader, readEvents } from '../changes/reader.ts'
import { rowsOf, startInstance, until } from '../faults/cluster.ts'
import { Load, succeeded, summaryOf } from '../faults/load.ts'
import { createDatabase, PASSWORD } from '../support/app.ts'
import { callerOf } from '../support/client.ts'
import { checkAnswer } from '../support/contract-check.ts'
import { freePort } from '../support/postgres.ts'
import type { ServerProcess } from '../support/process.ts'
import { type RunningProxy, startProxy } from '../support/proxy.ts'
import { startRedis } from '../support/redis.ts'
import { startMailServer } from '../support/smtp.ts'

const NO_ANSWERS = new Map<string, Answer>()
/** What docker-compose.yml sets for instances behind the proxy, which must notice within it. */
const SHUTDOWN_GRACE_MS = '2000'

type Instance = { readonly port: string; server: ServerProcess }
type Token = Readonly<{ accessToken: string }>

t.test('two instances behind a proxy', async (t) => {
  const database = await createDatabase(t)
  if (database === undefined) return t.plan(0, 'an embedded database has one server')
  const redis = await startRedis(t)
  if (redis === undefined) return
  const mail = await startMailServer(t)

  const start = (PORT: string) =>
    startInstance(t, database, {
      PORT,
      MIGRATE_AT_START: 'false',
      SHUTDOWN_GRACE_MS,
      SMTP_URL: mail.url,
      REDIS_URL: redis.url,
      TRUSTED_PROXIES: '127.0.0.1',
      RATE_LIMIT: 'on',
      RATE_LIMIT_ANONYMOUS: '100000',
      RATE_LIMIT_USER: '100000',
      RATE_LIMIT_REGISTER: '100000',
    })
  const ports = [String(await freePort()), String(await freePort())] as const
  const proxy = await startProxy(t, [`http://127.0.0.1:${ports[0]}`, `http://127.0.0.1:${ports[1]}`])
  if (proxy === undefined) return

  const nobody = callerOf(proxy.url, undefined, NO_ANSWERS)
  await t.test('503 as Docket says it, while none is ready', async (t) => {
    await until('both are seen to be down', () => proxy.output().includes('no server available'))
    t.match((await nobody('login', { body: { username: 'ada', password: PASSWORD } })).body, { code: 'UNAVAILABLE', detail: 'No instance is ready.' })
    const response = await fetch(`${proxy.url}/api/v1/lists`, { headers: { 'X-Request-Id': '"injected"' } })
    checkAnswer('listLists', response.status, response.headers, await response.text())
    t.equal(response.status, 503)
  })

  const instances: Instance[] = await Promise.all(ports.map(async (port) => ({ port, server: await start(port) })))
  const urls = () => instances.map(({ server }) => server.url)
  /** Which instance has logged this request. */
  const servedBy = async ({ headers }: { headers: Headers }) => {
    const line = `"requestId":"${headers.get('x-request-id')}"`
    const found = () => instances.findIndex(({ server }) => server.output().includes(line))
    await until('the request is logged', () => found() >= 0)
    return found()
  }
  await until('both are ready', () => ports.every((_, index) => proxy.output().includes(`docket/api-${index + 1} is UP`)))

  let people = 0
  const register = async (): Promise<Token & { email: string; username: string }> => {
    const username = `person-${people++}`
    const email = `${username}@example.com`
    const { body } = await nobody('register', { body: { username, email, password: PASSWORD }, expect: 201 })
    return { accessToken: body.accessToken, email, username }
  }
  const through = (url: string, { accessToken }: Token) => callerOf(url, accessToken, NO_ANSWERS)
  const createTask = async (person: Token, title: string) =>
    (await through(proxy.url, person)('createTask', { body: { title }, expect: 201 })).body.id

  const ada = await register()
  // Opened first, since heartbeats come every 15 seconds.
  const watcher = await register()
  const watching = [await follow(proxy, watcher), await follow(proxy, watcher)] as const

  await t.test('requests of one client go to both', async (t) => {
    const served = new Set<number>()
    for (let count = 0; count < 4; count++) served.add(await servedBy(await through(proxy.url, ada)('getMe', { expect: 200 })))
    t.equal(served.size, 2)
  })

  await t.test('logout is felt on both at once', async (t) => {
    const { username } = await register()
    for (let round = 0; round < 5; round++) {
      const { body: session } = await nobody('login', { body: { username, password: PASSWORD }, expect: 200 })
      for (const url of urls()) await through(url, session)('getMe', { expect: 200 })
      await through(proxy.url, session)('logout', { expect: 204 })
      const statuses = await Promise.all(urls().map(async (url) => (await through(url, session)('getMe')).status))
      t.same(statuses, [401, 401])
    }
  })

  await t.test('a key that is repeated on the other instance is answered as before', async (t) => {
    const key = randomUUID()
    const create = () => through(proxy.url, ada)('createTask', { body: { title: 'Once' }, headers: { 'Idempotency-Key': key }, expect: 201 })
    const answers = [await create(), await create(), await create()]
    t.equal(new Set(await Promise.all(answers.map(servedBy))).size, 2)
    t.equal(new Set(answers.map(({ text }) => text)).size, 1)
    t.same(
      answers.map(({ headers }) => headers.get('idempotency-replayed')),
      [null, 'true', 'true'],
    )
  })

  await t.test('a stream is not held back, and goes on behind its last id on either', async (t) => {
    const grace = await register()
    const readers = [await follow(proxy, grace), await follow(proxy, grace)]
    const first = await createTask(grace, 'First')
    const events = await Promise.all(readers.map(({ reader }) => reader.next()))
    for (const event of events) t.equal(event?.change?.id, first)
    for (const { reader } of readers) reader.cut()
    await createTask(grace, 'Second')
    for (const event of events) {
      const { reader } = await follow(proxy, grace, event?.id)
      t.match(await reader.next(), { change: { resource: 'list' } }, 'of the first task')
      t.match(await reader.next(), { change: { state: { title: 'Second' } } })
      reader.cut()
    }
  })

  await t.test('each job is done once', async (t) => {
    const addresses: string[] = []
    for (let count = 0; count < 12; count++) addresses.push((await register()).email)
    const unfinished = () =>
      rowsOf(database, `select from pgboss.job where state in ('created', 'retry', 'active') and name not in ('dead') and name not like '\\_\\_%'`)
    const received = () => mail.arrived.flatMap(({ to }) => to).filter((address) => addresses.includes(address))
    await until('all mails have come', () => received().length >= addresses.length)
    await until('no job is left', async () => (await unfinished()).length === 0)
    t.same(received().sort(), addresses.sort())
  })

  await t.test('each client has a count of its own, on both together, and cannot claim to be another', async (t) => {
    const forged = { 'X-Forwarded-For': '192.0.2.1', Forwarded: 'for=192.0.2.1', 'X-Real-IP': '192.0.2.1' }
    const counts = async () => [
      await left(proxy.url, '127.0.0.2'),
      await left(proxy.url, '127.0.0.2'),
      await left(proxy.url, '127.0.0.2', forged),
      await left(proxy.url, '127.0.0.2', { 'X-Forwarded-For': '192.0.2.2, 127.0.0.1' }),
    ]
    // On a busy machine the store may be too slow for a moment, and then each counts by itself.
    let last: number[] = []
    await until('they count together', async () => {
      last = await counts()
      return last.every((count, index) => count === (last[0] as number) - index)
    })
    t.ok((last.at(-1) as number) < 99_997)
    t.equal(await left(proxy.url, '127.0.0.3'), 99_999)
  })

  await t.test('both are restarted in turn under load: no request fails', async (t) => {
    const load = await Load.start(proxy.url, { perSecond: 100, mostUnderWay: 8 })
    t.teardown(() => load.stop())
    await load.succeeds()
    const next = watching.map(({ reader }) => reader.next())

    await restart(t, proxy, instances, 0, start)
    // What the other has sent since then shows which of the two streams goes on.
    const taskId = await createTask(watcher, 'While one has ended')
    const events = await Promise.all(next)
    t.same(events.map((event) => event?.change?.id).sort(), [taskId, undefined])
    const [ended, other] = events[0] === undefined ? watching : [watching[1], watching[0]]
    const resumed = await follow(proxy, watcher, ended.position)
    t.equal((await resumed.reader.next())?.change?.id, taskId, 'nothing was missed')
    t.match(await other.reader.next(), { change: { resource: 'list' } })
    const more = other.reader.next()
    await until('heartbeats pass', () => other.reader.others.includes(': heartbeat'))
    await createTask(watcher, 'After a heartbeat')
    t.ok(await more)

    await restart(t, proxy, instances, 1, start)
    await load.succeeds()
    await load.stop()
    t.same(
      load.outcomes.filter((outcome) => !succeeded(outcome)),
      [],
      `no request has failed, of ${load.outcomes.length}`,
    )
    t.comment(summaryOf(load.outcomes))
  })
})

/** Opens a stream and reads where it begins. */
async function follow({ url }: RunningProxy, { accessToken }: Token, lastEventId?: string): Promise<{ reader: Reader; position: string }> {
  const reader = await readEvents(url, accessToken, lastEventId === undefined ? {} : { lastEventId })
  return { reader, position: String((await reader.next())?.id) }
}

/** Stops an instance as a deployment does, and starts another in its place. */
async function restart(
  t: Test,
  proxy: RunningProxy,
  instances: Instance[],
  index: number,
  start: (port: string) => Promise<ServerProcess>,
): Promise<void> {
  const instance = instances[index] as Instance
  const name = `docket/api-${index + 1}`
  const said = proxy.output().length
  t.equal(await instance.server.end('SIGTERM'), 0)
  t.match(proxy.output().slice(said), new RegExp(`${name} is DOWN, reason: Layer7 wrong status, code: 503`), 'readiness said so first')
  instance.server = await start(instance.port)
  await until('it is ready again', () => proxy.output().slice(said).includes(`${name} is UP`))
}

/** How many anonymous requests are left to a client with this address after one more. */
function left(url: string, localAddress: string, headers: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.get(`${url}/api/v1/users/me`, { localAddress, headers, agent: false }, (response) => {
      response.resume()
      resolve(Number(/;r=(\d+);/.exec(String(response.headers['ratelimit']))?.[1]))
    })
    request.once('error', reject)
  })
}
