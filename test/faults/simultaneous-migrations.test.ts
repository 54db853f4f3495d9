import { readdirSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { Answer } from '../../src/contract/types.ts'
import { callerOf } from '../support/client.ts'
import { databaseUrl, execute } from '../support/postgres.ts'
import { launchServer } from '../support/process.ts'
import { AUTH_SECRET, rowsOf, startDurablePostgres, startInstance, THOROUGH, until } from './cluster.ts'

const INSTANCES = THOROUGH ? 5 : 2
const MIGRATIONS = readdirSync(path.resolve(import.meta.dirname, '../../migrations')).map((file) => path.parse(file).name)

/** Any number. */
const GATE = 4711

t.test('instances that migrate', async (t) => {
  const postgres = await startDurablePostgres(t)
  const createDatabase = async (name: string) => {
    await execute(postgres.url, `create database ${name}`)
    return databaseUrl(postgres.url, name)
  }
  const requireMigrated = async (t: Test, url: string) => {
    const rows = await rowsOf<{ name: string }>(url, 'select name from kysely_migration order by name')
    t.same(
      rows.map(({ name }) => name),
      [...MIGRATIONS].sort(),
    )
  }

  await t.test(`${INSTANCES} at once on an empty database: one does it, all start`, async (t) => {
    const url = await createDatabase('at_once')
    const servers = await Promise.all(Array.from({ length: INSTANCES }, () => startInstance(t, url, { SHUTDOWN_GRACE_MS: '0' })))
    for (const server of servers) await callerOf(server.url, undefined, new Map<string, Answer>())('getReadiness', { expect: 200 })
    t.equal(servers.filter((server) => server.output().includes('migrated the database')).length, 1)
    await requireMigrated(t, url)
    await Promise.all(servers.map((server) => server.end('SIGTERM')))
  })

  await t.test('one is killed in the middle: nothing of it is left, and the next does it all', async (t) => {
    const url = await createDatabase('in_the_middle')
    const gate = new pg.Client({ connectionString: url })
    await gate.connect()
    const asked = async (condition: string) => {
      const { rows } = await gate.query(
        `select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and ${condition}`,
      )
      return rows.length
    }
    // Once there are lists, whoever makes another table stands at the gate.
    await gate.query(`
      create function stand_at_gate() returns event_trigger language plpgsql as $$
      begin
        if to_regclass('lists') is not null then perform pg_advisory_xact_lock_shared(${GATE}); end if;
      end $$`)
    await gate.query(`create event trigger stand_at_gate on ddl_command_start when tag in ('CREATE TABLE') execute function stand_at_gate()`)
    await gate.query(`select pg_advisory_lock(${GATE})`)

    const environment = { DATABASE_URL: url, AUTH_SECRET, SHUTDOWN_GRACE_MS: '0' }
    const first = launchServer(t, environment)
    await until('the first is in the middle', async () => (await asked(`wait_event = 'advisory' and query ilike '%create table%'`)) === 1)
    const second = launchServer(t, environment)
    await until('the second waits', async () => (await asked(`application_name = 'docket-migrate'`)) === 2)
    t.equal(await first.end('SIGKILL'), null)
    await t.rejects(first.listens)
    t.equal((await gate.query(`select to_regclass('lists') as lists`)).rows[0].lists, null, 'it is in a transaction')

    await gate.query(`select pg_advisory_unlock(${GATE})`)
    const server = await second.listens
    await requireMigrated(t, url)
    await callerOf(server.url, undefined, new Map<string, Answer>())('getReadiness', { expect: 200 })
    t.ok(server.output().includes('migrated the database'))
    await gate.end()
    t.equal(await server.end('SIGTERM'), 0)
  })
})
