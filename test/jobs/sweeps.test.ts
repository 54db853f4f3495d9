import { sql } from 'kysely'
import { pino } from 'pino'
import t from 'tap'
import type { Database } from '../../src/database/database.ts'
import { NOTIFICATION_CHANNEL } from '../../src/database/notifications.ts'
import { defineJob, type Sweep, work } from '../../src/jobs/definitions.ts'
import type { Jobs } from '../../src/jobs/jobs.ts'
import { Sweeping } from '../../src/jobs/sweeping.ts'
import { createDatabase } from '../support/app.ts'
import { startJobs, statesOf, until } from '../support/jobs.ts'

const greet = defineJob<{ id: number }>('greet')
/** As long as no test lasts: what runs then was woken. */
const NEVER = { pollSeconds: 3600, sweepSeconds: 3600 }

/** Turns the rows of a table into jobs, a few at a time. */
const greetGuests =
  (more: Partial<Sweep> = {}) =>
  (db: Database, jobs: Jobs): readonly Sweep[] => [
    {
      name: 'greet-guests',
      ...more,
      async run() {
        return db.transaction().execute(async (trx) => {
          const { rows } = await sql<{ id: number }>`
            update guests set greeted = greeted + 1
            where id in (select id from guests where greeted = 0 limit 3 for update skip locked)
            returning id`.execute(trx)
          for (const { id } of rows) await jobs.send(trx, greet, { id })
          return rows.length === 3
        })
      },
    },
  ]

const createGuests = (db: Database) => sql`create table guests (id int primary key, greeted int not null default 0)`.execute(db)
const invite = (db: Database, from: number, to: number) => sql`insert into guests select generate_series(${from}::int, ${to}::int)`.execute(db)
const wake = (db: Database, message: string) => sql`select pg_notify(${NOTIFICATION_CHANNEL}, ${message})`.execute(db)

t.test('a sweep turns each row into one job, on however many instances it runs', async (t) => {
  const database = await createDatabase(t)
  const greeted: number[] = []
  const workers = [work(greet, async ({ id }: { id: number }) => void greeted.push(id))]
  if (database === undefined) return t.comment('the embedded database has one instance')
  const sender = await startJobs(t, workers, { works: false }, database)
  await createGuests(sender.db)
  await invite(sender.db, 1, 100)
  await Promise.all([1, 2, 3].map(() => startJobs(t, workers, {}, database, greetGuests())))
  await until(() => greeted.length === 100)
  // One more that comes after they have looked.
  await invite(sender.db, 101, 101)
  await until(() => greeted.length === 101)
  t.same(
    greeted.toSorted((a, b) => a - b),
    Array.from({ length: 101 }, (_, index) => index + 1),
  )
  t.same(await statesOf(sender.db, 'greet'), { completed: 101 })
})

t.test('a sweep runs at the start, when it is woken, and at once again as long as there is more', async (t) => {
  const greeted: number[] = []
  const workers = [work(greet, async ({ id }: { id: number }) => void greeted.push(id))]
  const foundMore: boolean[] = []
  const { db } = await startJobs(t, workers, NEVER, undefined, (db, jobs) => {
    const [sweep] = greetGuests({ wokenBy: 'guests:' })(db, jobs) as [Sweep]
    const run = async (signal: AbortSignal) => {
      if (foundMore.length === 0) await createGuests(db)
      const more = await sweep.run(signal)
      foundMore.push(more)
      return more
    }
    return [{ ...sweep, run }]
  })
  await until(() => foundMore.length > 0)
  await invite(db, 1, 8)
  await wake(db, 'guests:1')
  await until(() => greeted.length === 8)
  t.same(foundMore.slice(foundMore.indexOf(true)).slice(0, 3), [true, true, false])
})

t.test('a sweep is woken by its own messages, and when some may have been lost', async (t) => {
  const stopping = new AbortController()
  const runs = { guests: 0, orders: 0 }
  const start = (name: keyof typeof runs) => {
    const run = async () => {
      runs[name]++
      return false
    }
    return new Sweeping({ name, wokenBy: `${name}:`, run }, 3_600_000, stopping.signal, pino({ level: 'silent' }))
  }
  const sweepings = [start('guests'), start('orders')]
  const hear = (message: string | undefined) => {
    for (const sweeping of sweepings) sweeping.hear(message)
  }
  await until(() => runs.guests === 1 && runs.orders === 1)
  hear('orders:1')
  await until(() => runs.orders === 2)
  t.same(runs, { guests: 1, orders: 2 })
  hear(undefined)
  await until(() => runs.orders === 3 && runs.guests === 2)
  stopping.abort()
  await Promise.all(sweepings.map(({ ended }) => ended))
  t.same(runs, { guests: 2, orders: 3 })
})

t.test('a sweep that nobody wakes runs at its interval', async (t) => {
  let runs = 0
  const counting = {
    name: 'count',
    async run() {
      runs++
      return false
    },
  }
  await startJobs(t, [], { sweepSeconds: 0.1 }, undefined, () => [counting])
  await until(() => runs >= 5)
  t.pass()
})

t.test('sweeps go on while requests hold all of their connections', async (t) => {
  const database = await createDatabase(t)
  if (database === undefined) return t.comment('the embedded database has one connection')
  let runs = 0
  const looking = (db: Database): readonly Sweep[] => [
    {
      name: 'look',
      async run() {
        await sql`select 1`.execute(db)
        runs++
        return false
      },
    },
  ]
  const { db } = await startJobs(t, [], { sweepSeconds: 0.1 }, database, looking)
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  let held = 0
  const holding = Array.from({ length: 5 }, () =>
    db.transaction().execute(async (trx) => {
      await sql`select 1`.execute(trx)
      held++
      await released
    }),
  )
  const ended = Promise.allSettled(holding)
  await until(() => held === 5)
  const before = runs
  await until(() => runs > before + 1)
  release()
  t.same(await ended, Array(5).fill({ status: 'fulfilled', value: undefined }), 'which they held all that time')
})

t.test('a sweep never runs twice at once in a process, however often it is woken, and a hanging one stops no other', async (t) => {
  let inside = 0
  let most = 0
  let slowRuns = 0
  let otherRuns = 0
  let release = () => {}
  const slow: Sweep = {
    name: 'slow',
    wokenBy: 'slow:',
    async run() {
      most = Math.max(most, ++inside)
      await new Promise<void>((resolve) => {
        release = resolve
      })
      inside--
      slowRuns++
      return false
    },
  }
  const other: Sweep = {
    name: 'other',
    wokenBy: 'other:',
    async run() {
      otherRuns++
      return false
    },
  }
  const { db } = await startJobs(t, [], NEVER, undefined, () => [slow, other])
  await until(() => inside === 1 && otherRuns > 0)
  const before = otherRuns
  for (let count = 0; count < 5; count++) await wake(db, 'slow:')
  await wake(db, 'other:')
  await until(() => otherRuns > before)
  t.same({ inside, slowRuns }, { inside: 1, slowRuns: 0 })
  release()
  await until(() => slowRuns === 1 && inside === 1)
  t.pass('it runs once more for all that woke it meanwhile')
  release()
  await until(() => slowRuns === 2)
  t.equal(most, 1)
})

t.test('a sweep that fails says so once, and goes on', async (t) => {
  let runs = 0
  const failing: Sweep = {
    name: 'failing',
    async run() {
      if (++runs <= 3) throw new Error('no table')
      if (runs === 4) throw new Error('no column')
      return false
    },
  }
  const { logged } = await startJobs(t, [], { sweepSeconds: 0.05 }, undefined, () => [failing])
  await until(() => runs > 5)
  t.match(
    logged.filter(({ msg }) => msg === 'sweep failed'),
    [
      { level: 50, sweep: 'failing', err: { message: 'no table' } },
      { level: 50, sweep: 'failing', err: { message: 'no column' } },
    ],
  )
  t.equal(logged.filter(({ msg }) => msg === 'sweep failed').length, 2, 'not at each run')
})

t.test('stopping waits for a sweep that runs, which is told, and starts no other run', async (t) => {
  const order: string[] = []
  let release = () => {}
  const sweep: Sweep = {
    name: 'slow',
    async run(signal) {
      order.push('started')
      signal.addEventListener('abort', () => order.push('told'))
      await new Promise<void>((resolve) => {
        release = resolve
      })
      order.push('ended')
      return true
    },
  }
  const { jobs } = await startJobs(t, [], {}, undefined, () => [sweep])
  await until(() => order.length === 1)
  const stopped = jobs.stop().then(() => order.push('stopped'))
  release()
  await stopped
  t.same(order, ['started', 'told', 'ended', 'stopped'])
})

t.test('stopping does not wait for ever for a sweep that hangs', async (t) => {
  let runs = 0
  const hanging: Sweep = {
    name: 'hanging',
    run() {
      runs++
      return new Promise(() => undefined)
    },
  }
  const { jobs } = await startJobs(t, [], { stopMilliseconds: 0 }, undefined, () => [hanging])
  await until(() => runs === 1)
  await jobs.stop()
  t.equal(runs, 1)
})

t.test('a process that works no jobs runs no sweeps', async (t) => {
  let runs = 0
  const counting: Sweep = {
    name: 'count',
    wokenBy: 'count:',
    async run() {
      runs++
      return false
    },
  }
  const { jobs, db } = await startJobs(t, [], { works: false, sweepSeconds: 0.01 }, undefined, () => [counting])
  await wake(db, 'count:')
  await jobs.stop()
  t.equal(runs, 0)
})

t.test('a job and a sweep, or two sweeps, of one name refuse the start', async (t) => {
  const { jobs } = await startJobs(t, [])
  const sweep: Sweep = { name: 'greet', run: async () => false }
  await t.rejects(jobs.start([work(greet, async () => undefined)], [sweep]), { message: 'Two jobs are named greet.' })
  await t.rejects(jobs.start([], [sweep, sweep]), { message: 'Two jobs are named greet.' })
})
