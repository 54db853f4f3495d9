import { sql } from 'kysely'
import t from 'tap'
import type { Database } from '../../src/database/database.ts'
import { defineJob, defineRepeatedJob, type JobDefinition, PermanentFailure, work } from '../../src/jobs/definitions.ts'
import type { Jobs } from '../../src/jobs/jobs.ts'
import { createDatabase, embeddedDirectory } from '../support/app.ts'
import { deadJobs, startJobs, statesOf, until } from '../support/jobs.ts'

const greet = defineJob<{ name: string }>('greet', { concurrency: 2 })
/** As long as no test lasts: what is worked then was woken. */
const NEVER = { pollSeconds: 3600 }

t.test('a job and the transaction that sends it', async (t) => {
  const greeted: string[] = []
  const { jobs, db } = await startJobs(t, [work(greet, async ({ name }) => void greeted.push(name))], NEVER)

  t.test('is worked once after the commit, without waiting for the next poll', async (t) => {
    await db.transaction().execute((trx) => jobs.send(trx, greet, { name: 'Ada' }))
    await until(() => greeted.length > 0)
    t.same(greeted, ['Ada'])
  })

  t.test('is not there before the commit, and never after a rollback', async (t) => {
    await t.rejects(
      db.transaction().execute(async (trx) => {
        await jobs.send(trx, greet, { name: 'Nobody' })
        throw new Error('rolled back')
      }),
      { message: 'rolled back' },
    )
    const names = Array.from({ length: 20 }, (_, index) => `Guest ${index}`)
    await db.transaction().execute(async (trx) => {
      for (const name of names) await jobs.send(trx, greet, { name })
    })
    await until(async () => (await statesOf(db, 'greet'))['completed'] === 21)
    t.same(greeted.slice(1).toSorted(), names.toSorted())
    t.same(await statesOf(db, 'greet'), { completed: 21 })
  })

  t.test('that is to be worked later waits', async (t) => {
    await jobs.send(db, greet, { name: 'Later' }, { after: new Date(Date.now() + 3_600_000) })
    await jobs.send(db, greet, { name: 'Now' })
    await until(async () => (await statesOf(db, 'greet'))['completed'] === 22)
    t.same(await statesOf(db, 'greet'), { completed: 22, created: 1 })
    t.notOk(greeted.includes('Later'))
  })
})

t.test('a job that fails', async (t) => {
  const attempts: number[] = []
  const flaky = defineJob<{ failures: number }>('flaky', { tries: 3, firstPause: 0 })
  const refused = defineJob('refused', { tries: 3, firstPause: 0 })
  const slow = defineJob('slow', { tries: 1, timeout: 1 })
  const aborted: unknown[] = []
  const { jobs, db, logged } = await startJobs(t, [
    work(flaky, async ({ failures }, { number }) => {
      attempts.push(number)
      if (number <= failures) throw Object.assign(new Error(`failure ${number}`), { password: 'hunter2', detail: 'hunter2' })
    }),
    work(refused, async () => {
      throw new PermanentFailure('no such recipient')
    }),
    work(slow, (_payload, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(void aborted.push(signal.reason))))),
  ])

  t.test('is tried again until it succeeds', async (t) => {
    await jobs.send(db, flaky, { failures: 2 })
    await until(async () => (await statesOf(db, 'flaky'))['completed'] === 1)
    t.same(attempts, [1, 2, 3])
    const lines = logged.filter(({ msg }) => msg === 'job failed, to be tried again')
    t.match(lines, [
      { job: 'flaky', jobId: /^[0-9a-f-]{36}$/, attempt: 1 },
      { job: 'flaky', jobId: lines[0]?.['jobId'], attempt: 2 },
    ])
    t.same(await deadJobs(db), [])
  })

  t.test('is given up after the last try, and goes on being seen', async (t) => {
    attempts.length = 0
    await jobs.send(db, flaky, { failures: 99 })
    await until(async () => (await deadJobs(db)).length === 1)
    t.same(attempts, [1, 2, 3])
    const line = logged.find(({ msg }) => msg === 'job given up')
    t.match(line, { level: 50, job: 'flaky', attempt: 3 })
    const [dead] = await deadJobs(db)
    t.match(dead, { job_id: line?.['jobId'], name: 'flaky', error: 'failure 3', sent_at: String, given_up_at: String })
    const { rows } = await sql`select output, source_output from pgboss.job`.execute(db)
    t.notMatch(JSON.stringify(rows), 'hunter2', 'only the message of an error is kept')
  })

  t.test('for good is given up at once', async (t) => {
    await jobs.send(db, refused, {})
    await until(async () => (await deadJobs(db)).length === 2)
    t.match(await deadJobs(db), [{ name: 'refused', error: 'no such recipient' }, { name: 'flaky' }])
    t.match(
      logged.findLast(({ msg }) => msg === 'job given up'),
      { job: 'refused', attempt: 1 },
    )
  })

  t.test('because it takes too long is told so', async (t) => {
    await jobs.send(db, slow, {})
    await until(async () => (await deadJobs(db)).length === 3)
    t.match((await deadJobs(db))[0], { name: 'slow', error: 'It took too long.' })
    t.match(aborted, [{ name: 'TimeoutError' }])
  })
})

t.test('the pauses between tries grow', async (t) => {
  const tries = 8
  const failing = defineJob('failing', { tries, firstPause: 60, longestPause: 1000 })
  const { jobs, db } = await startJobs(t, [
    work(failing, async () => {
      throw new Error('not yet')
    }),
  ])
  await jobs.send(db, failing, {})
  const pauses: number[] = []
  for (let failures = 1; failures < tries; failures++) {
    await until(async () => (await row()).retry_count === failures - 1 && (await row()).state === 'retry')
    pauses.push((await row()).pause)
    // What a clock would do.
    await db
      .updateTable('pgboss.job' as never)
      .set({ start_after: new Date(0) } as never)
      .execute()
  }
  type Row = { retry_count: number; state: string; pause: number }
  async function row(): Promise<Row> {
    const { rows } = await sql<Row>`
      select retry_count, state::text, extract(epoch from start_after - now())::float8 as pause from pgboss.job where name = 'failing'`.execute(db)
    return rows[0] as Row
  }
  for (const [index, pause] of pauses.entries()) {
    const least = Math.min(60 * 2 ** index, 1000)
    t.ok(pause <= Math.min(2 * 60 * 2 ** index, 1000) && pause > least - 60, `${Math.round(pause)} s after failure ${index + 1}`)
  }
})

t.test('two instances on one database', async (t) => {
  const database = await createDatabase(t)
  if (database === undefined) return t.comment('the embedded database has one instance')
  const greeted: string[] = []
  const workers = [work(greet, async ({ name }: { name: string }) => void greeted.push(name))]
  // Both at once: neither finds the queues of the other half made.
  const [a, b] = await Promise.all([startJobs(t, workers, {}, database), startJobs(t, workers, {}, database)])
  const names = Array.from({ length: 40 }, (_, index) => `Guest ${index}`)
  await Promise.all(names.map((name, index) => (index % 2 === 0 ? a : b).jobs.send(a.db, greet, { name })))
  await until(async () => (await statesOf(a.db, 'greet'))['completed'] === names.length)
  t.same(greeted.toSorted(), names.toSorted())
})

t.test('an instance that works no jobs sends them for the others', async (t) => {
  const database = await createDatabase(t)
  if (database === undefined) return t.comment('the embedded database has one instance')
  const worked: string[] = []
  const workersOf = (instance: string) => [work(greet, async () => void worked.push(instance))]
  const sender = await startJobs(t, workersOf('sender'), { works: false }, database)
  await sender.jobs.send(sender.db, greet, { name: 'Ada' })
  await startJobs(t, workersOf('worker'), {}, database)
  await until(() => worked.length === 1)
  await sender.jobs.send(sender.db, greet, { name: 'Grace' })
  await until(() => worked.length === 2)
  t.same(worked, ['worker', 'worker'])
})

t.test('when a repeated job is due is found without what the system holds about zones and languages', async (t) => {
  // luxon keeps what it has asked for once, so this stands before the other tests of repeated jobs.
  const database = (await createDatabase(t)) ?? embeddedDirectory(t)
  const formats = t.capture(Intl, 'DateTimeFormat', Intl.DateTimeFormat)
  const everyMinute = work(defineRepeatedJob('every-minute', '* * * * *'), async () => undefined)
  const scheduling = await startJobs(t, [everyMinute], {}, database)
  // As if nobody had looked for a while, so that the next start does.
  await sql`update pgboss.version set cron_on = null`.execute(scheduling.db)
  await scheduling.close()
  const { db } = await startJobs(t, [everyMinute], {}, database)
  await until(async () => Object.keys(await statesOf(db, 'every-minute')).length > 0)
  t.same(formats(), [])
})

t.test('a repeated job is scheduled once, with its newest times, and no longer when it is gone', async (t) => {
  const database = await createDatabase(t)
  const clean = (cron: string) => work(defineRepeatedJob('clean', cron), async () => undefined)
  const { db } = await startJobs(t, [clean('15 3 * * *')], {}, database)
  const schedules = async () => (await sql`select name, cron, timezone from pgboss.schedule`.execute(db)).rows
  t.same(await schedules(), [{ name: 'clean', cron: '15 3 * * *', timezone: 'UTC' }])
  if (database === undefined) return
  await startJobs(t, [clean('30 4 * * *')], {}, database)
  t.same(await schedules(), [{ name: 'clean', cron: '30 4 * * *', timezone: 'UTC' }])
  await startJobs(t, [], {}, database)
  t.same(await schedules(), [])
})

t.test('a job that is not in the table cannot be sent, and one that is there twice refuses the start', async (t) => {
  const { jobs, db } = await startJobs(t, [])
  await t.rejects(jobs.send(db, greet, { name: 'Ada' }), { message: 'Queue greet does not exist' })
  const worker = work(greet, async () => undefined)
  await t.rejects(jobs.start([worker, worker]), { message: 'Two jobs are named greet.' })
})

/** What must not compile: the check is `npm run types`. */
export const SENDINGS_THAT_DO_NOT_COMPILE = (jobs: Jobs, db: Database) => [
  // @ts-expect-error: a payload of another kind
  jobs.send(db, greet, { name: 1 }),
  // @ts-expect-error: a payload with more than there is
  jobs.send(db, greet, { name: 'Ada', token: 'secret' }),
  // @ts-expect-error: a payload that is missing something
  jobs.send(db, greet, {}),
  // @ts-expect-error: a name is no job
  jobs.send(db, 'greet', { name: 'Ada' }),
  // @ts-expect-error: a handler of another payload
  work(greet, async ({ title }: { title: string }) => void title),
  // @ts-expect-error: another job's definition
  greet satisfies JobDefinition<{ id: string }>,
]
