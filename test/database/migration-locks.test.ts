import { sql } from 'kysely'
import pg from 'pg'
import t from 'tap'
import type { Database } from '../../src/database/database.ts'
import { databaseFault } from '../../src/database/errors.ts'
import { migrateServer } from '../../src/database/migrate.ts'
import { createServerDatabase, EMBEDDED } from '../support/app.ts'

t.test('a migration while somebody reads a long time, as a dump does', { skip: EMBEDDED && 'there is nobody else' }, async (t) => {
  const url = await createServerDatabase(t)
  const migrate = async (db: Database) => {
    await sql`alter table tasks add column colour text`.execute(db)
    return ['colour-tasks']
  }
  const dump = new pg.Client({ connectionString: url })
  await dump.connect()
  await dump.query('begin; lock table tasks in access share mode')
  const error = await migrateServer(url, migrate).catch((error) => error)
  t.same(databaseFault(error), { kind: 'unavailable' }, 'it does not wait, since all others would wait behind it')
  await dump.end()
  t.same(await migrateServer(url, migrate), ['colour-tasks'])
})
