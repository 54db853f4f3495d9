import { sql } from 'kysely'
import { pino } from 'pino'
import t from 'tap'
import { openDatabase } from '../../src/database/client.ts'
import { updateSchema } from '../../src/schema.ts'
import { createDatabase, testConfig } from '../support/app.ts'

t.test('a schema that a newer version has migrated', async (t) => {
  const { db, executeSql, close } = await openDatabase(testConfig(await createDatabase(t)).database, pino({ level: 'silent' }))
  t.teardown(close)
  await updateSchema(db, executeSql)
  await sql`insert into kysely_migration (name, timestamp) values ('29991231T2359-of-a-newer-version', now()::text)`.execute(db)

  await t.test('is good for this one: an instance of it that starts again has nothing to do', async (t) => {
    t.same(await updateSchema(db, executeSql), [])
  })

  await t.test('is refused where a migration of this version is missing', async (t) => {
    await sql`delete from kysely_migration where name like '%create-api-tokens'`.execute(db)
    await t.rejects(updateSchema(db, executeSql), { message: 'The migrations could not run.' })
  })
})
