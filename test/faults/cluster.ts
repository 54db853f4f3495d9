import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Test } from 'tap'
import { type PostgresServer, startPostgres } from '../support/postgres.ts'
import { type ServerProcess, startServer } from '../support/process.ts'
import type { Stored } from './ledger.ts'

/** Set by `npm run test:faults`: more rounds, and longer ones. */
export const THOROUGH = process.env['DOCKET_FAULTS'] === 'thorough'

/** Milliseconds. Docket answers within 2 seconds (src/database/server.ts); the rest is for machines that have other things to do. */
export const LONGEST_ANSWER = 4000

/** What promises nothing to a disk may lose what it acknowledged when its server is killed. */
export const DURABLE = { fsync: 'on', full_page_writes: 'on', synchronous_commit: 'on' }

/** A PostgreSQL server that keeps what it acknowledges. */
export async function startDurablePostgres(t: Test, options: Parameters<typeof startPostgres>[0] = {}): Promise<PostgresServer> {
  const postgres = await startPostgres({ ...options, settings: { ...DURABLE, ...options.settings } })
  t.teardown(() => postgres.stop())
  return postgres
}

export const AUTH_SECRET = 'q9Wf3kTz7LxV1mPbR8sYcD2gH5jN6uEa'

/** Docket as a process of its own, on a PostgreSQL server. */
export function startInstance(t: Test, url: string, environment: Record<string, string> = {}): Promise<ServerProcess> {
  return startServer(t, { DATABASE_URL: url, AUTH_SECRET, ...environment })
}

export async function rowsOf<Row extends pg.QueryResultRow>(url: string, statement: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<Row>(statement)).rows
  } finally {
    await client.end()
  }
}

export async function storedIn(url: string): Promise<Stored> {
  const tasks = await rowsOf<{ id: string; title: string }>(url, 'select id, title from tasks')
  const users = await rowsOf<{ username: string }>(url, 'select username from users')
  return { tasks: new Map(tasks.map(({ id, title }) => [id, title])), usernames: new Set(users.map(({ username }) => username)) }
}

/** Resolves when it holds, and fails when it does not within so many seconds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, seconds = 30): Promise<void> {
  for (const startedAt = performance.now(); !(await holds()); await sleep(10)) {
    if (performance.now() - startedAt > seconds * 1000) throw new Error(`${what}: not within ${seconds} seconds`)
  }
}
