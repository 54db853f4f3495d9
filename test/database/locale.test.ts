import t from 'tap'
import type { DatabaseConfig } from '../../src/config.ts'
import { migrateServer, migrateToLatest } from '../../src/database/migrate.ts'
import { testConfig } from '../support/app.ts'
import { databaseUrl, execute } from '../support/postgres.ts'

const server = process.env['DOCKET_TEST_SERVER']

t.test('a database in the locale C is refused', { skip: server === undefined && 'the embedded database is not' }, async (t) => {
  if (server === undefined) return
  const name = `docket_locale_${process.pid}`
  await execute(server, `create database ${name} template template0 encoding 'UTF8' locale_provider libc locale 'C'`)
  t.teardown(() => execute(server, `drop database ${name}`))
  const config = testConfig(databaseUrl(server, name)).database as Extract<DatabaseConfig, { kind: 'server' }>
  await t.rejects(migrateServer(config, migrateToLatest), { message: /does not know letters beyond ASCII/ })
})
