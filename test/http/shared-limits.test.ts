import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import t from 'tap'
import { SharedStore } from '../../src/http/shared-counts.ts'
import { createDatabase, EMBEDDED, startApp, type TestApp } from '../support/app.ts'
import { startRedis } from '../support/redis.ts'

const SHARED = 'the instances share their rate limits'
const AWAY = 'the store of the rate limits is away: each instance counts by itself'

/** What an instance has said about the store, in this order. */
const saidBy = ({ logged }: TestApp) => logged.flatMap(({ msg }) => (msg === SHARED || msg === AWAY ? [msg] : []))

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const startedAt = Date.now(); !(await holds()); await sleep(20)) if (Date.now() - startedAt > 60_000) throw new Error('it never came true')
}

/** How many anonymous requests are left after one more: what is counted together falls on both instances. */
async function left({ url }: TestApp): Promise<number> {
  const response = await fetch(`${url}/api/v1/users/me`)
  if (response.status !== 401) throw new Error(`${response.status} instead of 401`)
  return Number(/;r=(\d+);/.exec(response.headers.get('ratelimit') ?? '')?.[1])
}

/** Whether two instances count together. The store may be slow for a moment on a busy machine, so this is waited for. */
const together = async (first: TestApp, second: TestApp) => (await left(first)) - (await left(second)) === 1
const apart = async (first: TestApp, second: TestApp) => {
  const [one, two] = [await left(first), await left(second)]
  return (await left(first)) === one - 1 && (await left(second)) === two - 1
}

t.test('two instances with one store', async (t) => {
  const redis = await startRedis(t)
  if (redis === undefined) return
  const settings = { RATE_LIMIT: 'on', RATE_LIMIT_ANONYMOUS: '100000', RATE_LIMIT_USER: '4', REDIS_URL: redis.url }
  const database = await createDatabase(t)
  const first = await startApp(t, settings, database)
  const second = await startApp(t, settings, database)

  t.test('count together by address, however they are asked', async () => {
    await until(() => together(first, second))
    await until(() => together(second, first))
  })

  // Two embedded databases have no user in common.
  t.test('count together by user', { skip: EMBEDDED && 'each has users of its own' }, async () => {
    await until(async () => {
      const ada = await first.register()
      const statuses: number[] = []
      for (const app of [first, second, first, second, first, second]) statuses.push((await app.as(ada)('getMe')).status)
      return statuses.join() === '200,200,200,200,429,429'
    })
  })

  t.test('a window ends in the store', async (t) => {
    const { headers } = await fetch(`${first.url}/api/v1/users/me`)
    const seconds = Number(/;t=(\d+)$/.exec(headers.get('ratelimit') ?? '')?.[1])
    t.ok(seconds >= 1 && seconds <= 60)
  })

  for (const [what, lose, recover] of [
    ['killed', () => redis.kill(), () => redis.start()],
    ['stopped', async () => redis.signal('SIGSTOP'), async () => redis.signal('SIGCONT')],
  ] as const) {
    t.test(`the store is ${what}: no request fails, and each counts by itself; it is back: they count together again`, async (t) => {
      await until(() => together(first, second))
      await lose()
      await Promise.all([first, second].flatMap((app) => Array.from({ length: 50 }, () => left(app))))
      for (const app of [first, second]) await until(() => saidBy(app).at(-1) === AWAY)
      t.ok(await apart(first, second))
      await recover()
      await until(() => together(first, second))
    })
  }

  t.test('the store takes no writes: each counts by itself, and nobody says otherwise; it takes them: they count together again', async (t) => {
    await until(() => together(first, second))
    const client = new Redis(redis.url)
    t.teardown(() => client.disconnect())
    await client.replicaof('127.0.0.1', 9)
    await left(first)
    await until(() => saidBy(first).at(-1) === AWAY)
    const said = saidBy(first)
    const connections = async () => Number(/total_connections_received:(\d+)/.exec(await client.info('stats'))?.[1])
    const before = await connections()
    await until(async () => (await connections()) >= before + 5)
    t.same(saidBy(first), said)
    await client.replicaof('NO', 'ONE')
    await until(() => together(first, second))
  })

  t.test('an answer that came while the process was busy counts', async (t) => {
    const lines: string[] = []
    const logger = pino({}, { write: (line) => void lines.push(line) })
    const store = new SharedStore(redis.url, logger)
    t.teardown(() => store.close())
    await until(() => lines.some((line) => line.includes(SHARED)))
    const counts = store.counts('busy', 60)
    // Redis itself may be kept waiting on a busy machine.
    await until(async () => {
      const said = lines.length
      const { requests: before } = await counts.add('somebody')
      const counted = counts.add('somebody')
      for (const startedAt = performance.now(); performance.now() - startedAt < 100; );
      return (await counted).requests === before + 1 && lines.length === said && lines.at(-1)?.includes(SHARED) === true
    })
  })

  t.test('an instance that starts without the store serves, and joins when it is there', async (t) => {
    await redis.kill()
    const app = await startApp(t, settings)
    await until(() => saidBy(app).length > 0)
    t.equal(await left(app), (await left(app)) + 1)
    await redis.start()
    await until(() => together(first, app))
    t.same(saidBy(app).slice(0, 2), [AWAY, SHARED])
  })

  t.test('each change is said once', async (t) => {
    for (const app of [first, second]) {
      const said = saidBy(app)
      t.ok(said.length >= 6)
      for (const [index, message] of said.entries()) t.not(message, said[index - 1])
    }
  })
})
