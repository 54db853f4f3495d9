import { sql } from 'kysely'
import pg from 'pg'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { openDatabase } from '../../src/database/client.ts'
import type { Database } from '../../src/database/database.ts'
import { databaseFault } from '../../src/database/errors.ts'
import { findTask, updateTask } from '../../src/tasks/queries.ts'
import { startBlackHole } from '../faults/black-hole.ts'
import { until } from '../faults/cluster.ts'
import { createServerDatabase, EMBEDDED, startApp, testConfig } from '../support/app.ts'

const ID = '00000000-0000-7000-8000-000000000000'

t.test('connections whose other end is gone without a word', { skip: EMBEDDED && 'no connections' }, async (t) => {
  const database = await createServerDatabase(t)
  const hole = await startBlackHole(t, database)
  const start = async (t: Test) =>
    (await startApp(t, { DATABASE_LISTEN_URL: database, DATABASE_POOL_SIZE: '1', DATABASE_PIPELINES: '0' }, hole.url)).context.db
  const statement = (db: Database): Promise<unknown> => db.selectFrom('users').select('id').execute()

  for (const [what, run] of [
    ['a statement', statement],
    ['a prepared statement', (db: Database): Promise<unknown> => findTask(db, ID, ID)],
    ['a transaction', (db: Database) => db.transaction().execute(statement)],
  ] as const) {
    t.test(`${what} fails, and the next gets another connection`, async (t) => {
      const db = await start(t)
      await run(db)
      hole.swallow()
      hole.restore()
      await t.rejects(run(db), /Connection terminated|Query read timeout|not queryable/)
      await run(db)
    })
  }

  for (const [what, name, run] of [
    ['a read', 'pipelines', (db: Database) => findTask(db, ID, ID)],
    ['a write', 'writers', (db: Database) => updateTask(db, ID, ID, { title: 'Gone' }, undefined)],
  ] as const)
    t.test(`${what} that is sent behind others fails, and later ones get another connection`, async (t) => {
      const settings = testConfig(hole.url, { DATABASE_LISTEN_URL: database, DATABASE_POOL_SIZE: '1', DATABASE_PIPELINES: '1' })
      const connection = await openDatabase(settings.database, pino({ level: 'silent' }))
      t.teardown(() => connection.close())
      const { db } = connection
      const isOpen = () => connection.connections().some((each) => each.name === name && each.open === 1)
      await until('connected', async () => {
        await run(db)
        return isOpen()
      })
      hole.swallow()
      hole.restore()
      const both = await Promise.allSettled([run(db), run(db)])
      for (const each of both) t.same(each.status === 'rejected' && databaseFault(each.reason), { kind: 'unavailable' })
      // The one of the pool, with which it began, is dead as well.
      await until('another connection', async () => {
        const [{ status } = { status: '' }] = await Promise.allSettled([run(db)])
        return status === 'fulfilled' && isOpen()
      })
    })

  t.test('a transaction that begins after it was given up takes in no later write', async (t) => {
    const db = await start(t)
    const write = () => sql`insert into docket_probe values (1)`.execute(db)
    await sql`create table docket_probe (value int)`.execute(db)
    hole.hold()
    await t.rejects(db.transaction().execute(statement))
    hole.release()
    await write()
    const client = new pg.Client({ connectionString: database })
    await client.connect()
    t.same((await client.query('select value from docket_probe')).rows, [{ value: 1 }])
    await client.end()
  })
})
