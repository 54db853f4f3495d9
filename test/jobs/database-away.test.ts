import { sql } from 'kysely'
import t from 'tap'
import { migrateServer } from '../../src/database/migrate.ts'
import { defineJob, work } from '../../src/jobs/definitions.ts'
import { updateSchema } from '../../src/schema.ts'
import { startJobs, until } from '../support/jobs.ts'
import { createTemplate, databaseUrl, startPostgres, TEMPLATE } from '../support/postgres.ts'

const greet = defineJob<{ name: string }>('greet', { firstPause: 0, timeout: 1 })

t.test('jobs while the database is away', async (t) => {
  const postgres = await startPostgres()
  t.teardown(() => postgres.stop())
  await createTemplate(postgres.url)
  const database = databaseUrl(postgres.url, TEMPLATE)
  const greeted: string[] = []
  let insideJob = () => {}
  const release = new Promise<void>((resolve) => {
    insideJob = resolve
  })
  let started = false
  const worker = work(greet, async ({ name }: { name: string }, { number }) => {
    if (name === 'Interrupted' && number === 1) {
      started = true
      await release
    }
    greeted.push(name)
  })
  const early = await startJobs(t, [worker], {}, database)

  t.test('that goes in the middle of one: it is done again when it is back, and so is what comes after', async (t) => {
    await early.jobs.send(early.db, greet, { name: 'Interrupted' })
    await until(() => started)
    await postgres.kill()
    insideJob()
    await until(() => early.logged.some(({ msg }) => msg === 'jobs cannot be worked at the moment'))
    await t.rejects(early.jobs.send(early.db, greet, { name: 'Lost' }))
    t.same(greeted, ['Interrupted'])

    await postgres.start()
    await until(() => greeted.length === 2)
    await until(
      async () =>
        await early.jobs.send(early.db, greet, { name: 'After' }).then(
          () => true,
          () => false,
        ),
    )
    await until(() => greeted.length === 3)
    t.same(greeted, ['Interrupted', 'Interrupted', 'After'])
  })

  t.test('from the start: they begin when it comes', async (t) => {
    await postgres.kill()
    const late = await startJobs(t, [worker], {}, database)
    await t.rejects(late.jobs.send(late.db, greet, { name: 'Lost' }), { status: 503, code: 'UNAVAILABLE' })
    await postgres.start()
    await until(
      async () =>
        await late.jobs.send(late.db, greet, { name: 'Late' }).then(
          () => true,
          () => false,
        ),
    )
    await until(() => greeted.includes('Late'))
  })

  t.test('with a schema that is not there yet: they begin when it has been made', async (t) => {
    await sql`drop schema pgboss cascade`.execute(early.db)
    const late = await startJobs(t, [worker], {}, database)
    await t.rejects(late.jobs.send(late.db, greet, { name: 'Lost' }), { status: 503, code: 'UNAVAILABLE' })
    t.match(late.logged, [{ msg: 'jobs cannot be worked at the moment', error: 'pg-boss is not installed' }])
    await createSchema(database)
    await until(
      async () =>
        await late.jobs.send(late.db, greet, { name: 'Very late' }).then(
          () => true,
          () => false,
        ),
    )
    await until(() => greeted.includes('Very late'))
  })

  t.test('and at the end: stopping does not wait for it', async (t) => {
    await postgres.kill()
    await early.jobs.stop()
    t.pass()
    await postgres.start()
  })
})

/** Two at once, as two instances do that start together. */
async function createSchema(url: string): Promise<void> {
  await Promise.all([migrateServer(url, updateSchema), migrateServer(url, updateSchema)])
}
