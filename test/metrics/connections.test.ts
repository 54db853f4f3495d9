import { sql } from 'kysely'
import { pino } from 'pino'
import t from 'tap'
import { openDatabase } from '../../src/database/client.ts'
import { findTask } from '../../src/tasks/queries.ts'
import { createServerDatabase, EMBEDDED, testConfig } from '../support/app.ts'
import { until } from '../support/jobs.ts'

const ID = '00000000-0000-7000-8000-000000000000'

t.test('connections tell who uses them and what waits', { skip: EMBEDDED && 'no connections' }, async (t) => {
  const url = await createServerDatabase(t)
  const settings = testConfig(url, { DATABASE_POOL_SIZE: '1', DATABASE_PIPELINES: '1' })
  const connection = await openDatabase(settings.database, pino({ level: 'silent' }))
  t.teardown(() => connection.close())
  const { db } = connection
  const stateOf = (name: string) => connection.connections().find((pool) => pool.name === name)
  await until(async () => {
    await findTask(db, ID, ID)
    return stateOf('pipelines')?.open === 1
  })
  t.match(stateOf('pipelines'), { most: 1, open: 1, idle: 1, waiting: 0 })
  t.match(stateOf('main'), { most: 1, open: 1, idle: 1, waiting: 0 })

  const [reads, write] = await db.transaction().execute(async (trx) => {
    await sql`lock table tasks in access exclusive mode`.execute(trx)
    const reads = [1, 2, 3].map(() => findTask(db, ID, ID))
    const write = sql`select 1`.execute(db)
    await until(() => stateOf('pipelines')?.waiting === 3 && stateOf('main')?.waiting === 1)
    t.match(stateOf('pipelines'), { open: 1, idle: 0 })
    t.match(stateOf('main'), { open: 1, idle: 0 })
    return [reads, write]
  })
  await Promise.all([...reads, write])
  t.match(stateOf('pipelines'), { open: 1, idle: 1, waiting: 0 })
})
