import { sql } from 'kysely'
import { pino } from 'pino'
import t from 'tap'
import { openDatabase } from '../../src/database/client.ts'
import { databaseFault } from '../../src/database/errors.ts'
import { findList } from '../../src/lists/queries.ts'
import { listTasks } from '../../src/tasks/listing.ts'
import { findTask } from '../../src/tasks/queries.ts'
import { until } from '../faults/cluster.ts'
import { createDatabase, EMBEDDED, startApp, testConfig } from '../support/app.ts'

const ID = '00000000-0000-7000-8000-000000000000'

t.test('a pipeline on which the preparation of a statement fails', async (t) => {
  // The embedded database has none.
  if (EMBEDDED) return
  const { context } = await startApp(t, { DATABASE_POOL_SIZE: '1', DATABASE_PIPELINES: '1' })
  const { db } = context
  const read = () => findTask(db, ID, ID)
  // Until it is connected the pool's only connection stands in, which is the one that asks here.
  const isConnected = async () => {
    await findList(db, ID, ID)
    const { rows } = await sql`
      select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and query like '%from "lists"%'`.execute(db)
    return rows.length > 0
  }
  await until('connected', isConnected)

  await t.test('what was sent behind it may be tried again', async (t) => {
    const reads = await db.transaction().execute(async (trx) => {
      await sql`lock table tasks in access exclusive mode`.execute(trx)
      return Promise.allSettled([read(), read(), read()])
    })
    const codes = reads.map((read) => (read.status === 'rejected' ? read.reason.code : 'found'))
    t.same(codes, ['55P03', '26000', '26000'], 'the others go by the name that the first was to make')
    for (const read of reads) t.same(databaseFault((read as PromiseRejectedResult).reason), { kind: 'unavailable' })
  })

  await t.test('and then succeeds', async (t) => {
    t.equal(await read(), undefined)
  })
})

t.test('a listing with a filter, which may take long, holds up no other read', async (t) => {
  const url = await createDatabase(t)
  if (url === undefined) return
  const settings = testConfig(url, { DATABASE_POOL_SIZE: '2', DATABASE_PIPELINES: '1' })
  const connection = await openDatabase(settings.database, pino({ level: 'silent' }))
  t.teardown(() => connection.close())
  const { db } = connection
  await until('connected', () => connection.connections().some(({ name, open }) => name === 'pipelines' && open === 1))
  let listed = false
  const listing = await db.transaction().execute(async (trx) => {
    await sql`lock table tasks in access exclusive mode`.execute(trx)
    const waiting = listTasks(db, { ownerId: ID, priorities: ['high'], sort: 'title', limit: 21 }).finally(() => {
      listed = true
    })
    t.equal(await findList(db, ID, ID), undefined)
    t.notOk(listed, 'which still waits')
    return { waiting }
  })
  t.same(await listing.waiting, [])
})
