import pg from 'pg'
import t from 'tap'
import { databaseFault } from '../../src/database/errors.ts'
import { migrateDown, migrateServer } from '../../src/database/migrate.ts'
import { updateSchema } from '../../src/schema.ts'
import { createDatabase, EMBEDDED } from '../support/app.ts'

t.test('a migration while somebody reads a long time, as a dump does', { skip: EMBEDDED && 'there is nobody else' }, async (t) => {
  const url = (await createDatabase(t)) as string
  const dump = new pg.Client({ connectionString: url })
  await dump.connect()
  await dump.query('begin; lock table tasks in access share mode')
  const error = await migrateServer(url, migrateDown).catch((error) => error)
  t.same(databaseFault(error), { kind: 'unavailable' }, 'it does not wait, since all others would wait behind it')
  await dump.end()
  const [name] = await migrateServer(url, migrateDown)
  t.match(name, /^\d{8}T\d{4}-/)
  t.same(await migrateServer(url, updateSchema), [name])
})
