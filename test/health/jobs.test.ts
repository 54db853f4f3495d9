import { sql } from 'kysely'
import t from 'tap'
import type { Sweep } from '../../src/jobs/definitions.ts'
import { createDatabase, startApp } from '../support/app.ts'
import { startJobs, statesOf, until } from '../support/jobs.ts'
import { execute } from '../support/postgres.ts'

t.test('getReadiness and background jobs', async (t) => {
  t.test('shows how many are due, and for how long', async (t) => {
    const { as, context, register } = await startApp(t)
    await register()
    await register()
    await sql`update pgboss.job set start_after = now() - interval '90 seconds' where id = (select min(id::text)::uuid from pgboss.job)`.execute(
      context.db,
    )
    const { body } = await as()('getReadiness', { expect: 200 })
    t.match(body.checks.jobs, { status: 'healthy', detail: /^2 due, the oldest for (9\d|\d{3}) s$/ })
  })

  t.test('is ready while a mail server is away, and what is to be tried again later is not due', async (t) => {
    // Nobody listens on port 9.
    const { as, context, register } = await startApp(t, { JOBS: 'on' })
    await register()
    await until(async () => (await statesOf(context.db, 'mail-token'))['retry'] === 1)
    const { body } = await as()('getReadiness', { expect: 200 })
    t.same(body.checks.jobs, { status: 'healthy', detail: 'none due' })
  })

  t.test('is not ready where no job can be sent, until one can', async (t) => {
    const database = await createDatabase(t)
    if (database === undefined) return t.comment('the embedded database makes the schema by itself')
    await execute(database, 'alter schema pgboss rename to pgboss_gone')
    const { as } = await startApp(t, {}, database)
    const { body } = await as()('getReadiness', { expect: 503 })
    t.match(body, {
      status: 'unhealthy',
      checks: { database: { status: 'healthy' }, jobs: { status: 'unhealthy', detail: 'they have not been started' } },
    })
    await execute(database, 'alter schema pgboss_gone rename to pgboss')
    await until(async () => (await as()('getReadiness')).status === 200)
  })
})

t.test('what keeps a process from working jobs', async (t) => {
  t.test('a worker that no longer looks', async (t) => {
    const { jobs } = await startJobs(t, [], { pollSeconds: 3600, stuckSeconds: 0 })
    // The one that reports dead jobs.
    await until(() => jobs.fault() === 'dead has not been looked for in the last 0 s')
    t.pass()
  })

  t.test('a sweep that hangs, until it ends', async (t) => {
    let release = () => {}
    const hanging: Sweep = {
      name: 'hanging',
      async run() {
        await new Promise<void>((resolve) => {
          release = resolve
        })
        return false
      },
    }
    const { jobs } = await startJobs(t, [], { pollSeconds: 0.5, stuckSeconds: 5, sweepSeconds: 3600 }, undefined, () => [hanging])
    t.equal(jobs.fault(), undefined)
    await until(() => jobs.fault() === 'hanging has been running for more than 5 s')
    release()
    await until(() => jobs.fault() === undefined)
  })

  t.test('not a sweep that fails', async (t) => {
    let runs = 0
    const failing: Sweep = {
      name: 'failing',
      async run() {
        runs++
        throw new Error('no table')
      },
    }
    const { jobs } = await startJobs(t, [], { stuckSeconds: 60, sweepSeconds: 0.05 }, undefined, () => [failing])
    await until(() => runs > 2)
    t.equal(jobs.fault(), undefined)
  })

  t.test('nothing, where none are worked', async (t) => {
    const { jobs } = await startJobs(t, [], { works: false, stuckSeconds: 0 })
    t.equal(jobs.fault(), undefined)
  })
})
