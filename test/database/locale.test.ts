import t from 'tap'
import { migrateServer, migrateToLatest } from '../../src/database/migrate.ts'
import { databaseUrl, execute } from '../support/postgres.ts'

const server = process.env['DOCKET_TEST_SERVER']

t.test('a database in the locale C is refused', { skip: server === undefined && 'the embedded database is not' }, async (t) => {
  if (server === undefined) return
  const name = `docket_locale_${process.pid}`
  await execute(server, `create database ${name} template template0 encoding 'UTF8' locale_provider libc locale 'C'`)
  t.teardown(() => execute(server, `drop database ${name}`))
  await t.rejects(migrateServer(databaseUrl(server, name), migrateToLatest), { message: /does not know letters beyond ASCII/ })
})
