import { promises as fs, readdirSync } from 'node:fs'
import path from 'node:path'
import { Kysely, PostgresDialect, type RawBuilder, sql } from 'kysely'
import { FileMigrationProvider, type MigrationResult, Migrator } from 'kysely/migration'
import pg from 'pg'
import type { Database, ExecuteSql } from './database.ts'
import { sessionSettings } from './server.ts'
import { UtcClient } from './utc-client.ts'

const migrationFolder = path.resolve(import.meta.dirname, '../../migrations')
const provider = new FileMigrationProvider({ fs, path, migrationFolder })

/** The database of the settings cannot hold what Docket stores; the message says why. */
export class UnsuitableDatabaseError extends Error {}

/** In the locale C only ASCII has upper and lower case: searching and sorting "without regard to case" would not be true. */
async function requireSuitable(db: Database): Promise<void> {
  const holds = async (condition: RawBuilder<boolean>) =>
    (await sql<{ holds: boolean }>`select ${condition} as holds`.execute(db)).rows[0]?.holds === true
  // In another encoding these letters cannot even be asked about.
  if (!(await holds(sql`current_setting('server_encoding') = 'UTF8'`)) || !(await holds(sql`lower('ÄΩЖ') = 'äωж'`))) {
    throw new UnsuitableDatabaseError(
      'The database does not know letters beyond ASCII. Create it with the encoding UTF8 and a locale such as C.UTF-8 or en_US.UTF-8, not C.',
    )
  }
}

const migratorOf = (db: Database) => new Migrator({ db, provider })

/**
 * Brings the schema up to date. Any number of processes may do so at once: one migrates, the others wait for its advisory lock. Migrations of a newer
 * version that have run already do not matter: they are made so that this version goes on, and it must be able to start again meanwhile.
 * @returns the names of the migrations that ran
 * @throws UnsuitableDatabaseError
 */
export async function migrateToLatest(db: Database): Promise<string[]> {
  await requireSuitable(db)
  // The migrator refuses a database that has run more than it knows.
  if (await hasRunAll(db)) return []
  const { results = [], error } = await migratorOf(db).migrateToLatest()
  if (error !== undefined) throw migrationError(results, error)
  return results.map(({ migrationName }) => migrationName)
}

async function hasRunAll(db: Database): Promise<boolean> {
  const { rows: tables } = await sql`select where to_regclass('kysely_migration') is not null`.execute(db)
  if (tables.length === 0) return false
  const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(db)
  const run = new Set(rows.map(({ name }) => name))
  return Object.keys(await provider.getMigrations()).every((name) => run.has(name))
}

/** Takes the newest migration back. */
export async function migrateDown(db: Database): Promise<string[]> {
  const { results = [], error } = await migratorOf(db).migrateDown()
  if (error !== undefined) throw migrationError(results, error)
  return results.map(({ migrationName }) => migrationName)
}

/**
 * How long a migration waits for a table that a dump or another long transaction reads. All others queue behind it meanwhile, so it must not be long: then
 * nothing has been changed, and a server that starts tries it again (startup.ts).
 */
const LOCK_TIMEOUT_MILLISECONDS = 3000

/**
 * The same on a connection of its own, without the time-outs that requests have.
 * @param url of the server itself, not of a pooler
 * @param run what to do, such as migrateDown
 */
export async function migrateServer(url: string, run: (db: Database, executeSql: ExecuteSql) => Promise<string[]>): Promise<string[]> {
  const pool = new pg.Pool({
    ...sessionSettings(url),
    connectionTimeoutMillis: 10_000,
    max: 1,
    application_name: 'docket-migrate',
    Client: UtcClient,
  })
  pool.on('error', () => undefined)
  const db: Database = new Kysely({ dialect: new PostgresDialect({ pool }) })
  try {
    // Of the one connection, until it ends. Our migrations have a lock of their own, but what pg-boss creates at first two would create at once.
    await pool.query("select pg_advisory_lock(hashtext('docket schema'))")
    await pool.query(`set lock_timeout = '${LOCK_TIMEOUT_MILLISECONDS}ms'`)
    return await run(db, (text, values) => pool.query(text, values))
  } finally {
    await db.destroy()
  }
}

let newest: string | undefined

/** Whether the newest migration of this version has run. Newer ones than ours do not matter: they are made so that this version goes on. */
export async function isMigrated(db: Database): Promise<boolean> {
  newest ??= path.parse(
    readdirSync(migrationFolder)
      .filter((name) => name.endsWith('.ts'))
      .sort()
      .at(-1) ?? '',
  ).name
  const { rows } = await sql<{ found: boolean }>`select exists (select from kysely_migration where name = ${newest}) as found`.execute(db)
  return rows[0]?.found === true
}

function migrationError(results: readonly MigrationResult[], cause: unknown): Error {
  const failed = results.find(({ status }) => status === 'Error')?.migrationName
  return new Error(failed === undefined ? 'The migrations could not run.' : `The migration ${failed} failed.`, { cause })
}
