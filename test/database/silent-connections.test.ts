import { sql } from 'kysely'
import pg from 'pg'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { openDatabase } from '../../src/database/client.ts'
import type { Database } from '../../src/database/database.ts'
import { databaseFault } from '../../src/database/errors.ts'
import { findTask } from '../../src/tasks/queries.ts'
import { startBlackHole } from '../faults/black-hole.ts'
import { until } from '../faults/cluster.ts'
import { createDatabase, startApp, testConfig } from '../support/app.ts'

const ID = '00000000-0000-7000-8000-000000000000'

t.test('connections whose other end is gone without a word', async (t) => {
  const database = await createDatabase(t)
  // The embedded database has none.
  if (database === undefined) return
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

  t.test('a read that is sent behind others fails, and the next gets another connection', async (t) => {
    const settings = testConfig(hole.url, { DATABASE_LISTEN_URL: database, DATABASE_POOL_SIZE: '1', DATABASE_PIPELINES: '1' })
    const connection = await openDatabase(settings.database, pino({ level: 'silent' }))
    t.teardown(() => connection.close())
    const { db } = connection
    await until('connected', () => connection.connections().some(({ name, open }) => name === 'pipelines' && open === 1))
    await findTask(db, ID, ID)
    hole.swallow()
    hole.restore()
    const reads = await Promise.allSettled([findTask(db, ID, ID), findTask(db, ID, ID)])
    for (const read of reads) t.same(read.status === 'rejected' && databaseFault(read.reason), { kind: 'unavailable' })
    t.equal(await findTask(db, ID, ID), undefined)
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
