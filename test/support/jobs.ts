import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { pino } from 'pino'
import type { Test } from 'tap'
import type { WorkerContext } from '../../src/context.ts'
import { openDatabase } from '../../src/database/client.ts'
import type { Database } from '../../src/database/database.ts'
import type { Sweep, Worker } from '../../src/jobs/definitions.ts'
import { type JobSettings, Jobs } from '../../src/jobs/jobs.ts'
import { type DeadJobRow, listDeadJobs } from '../../src/jobs/queries.ts'
import { updateSchema } from '../../src/schema.ts'
import { createWorkers } from '../../src/workers.ts'
import { createDatabase, embeddedDirectory, testConfig } from './app.ts'

export type TestJobs = Readonly<{ jobs: Jobs; db: Database; logged: readonly Record<string, unknown>[]; close(): Promise<void> }>

/** The jobs of an instance without its server, over a database of its own unless one is given, by URL or by directory. They end with the test. */
export async function startJobs(
  t: Test,
  workers: readonly Worker[],
  settings: Partial<JobSettings> = {},
  database?: string,
  createSweeps: (db: Database, jobs: Jobs) => readonly Sweep[] = () => [],
): Promise<TestJobs> {
  const url = database ?? (await createDatabase(t)) ?? embeddedDirectory(t)
  const logged: Record<string, unknown>[] = []
  const logger = pino({ level: 'debug' }, { write: (line: string) => void logged.push(JSON.parse(line)) })
  const embedded = !url.startsWith('postgres:')
  const connection = await openDatabase(testConfig(embedded ? undefined : url, embedded ? { DATA_DIR: url } : {}).database, logger)
  if (embedded) await updateSchema(connection.db, connection.executeSql)
  const jobs = new Jobs(connection, { works: true, pollSeconds: 0.5, superviseSeconds: 1, ...settings }, logger)
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= jobs.stop().then(() => connection.close())
    return closed
  }
  t.teardown(close)
  await jobs.start(workers, createSweeps(connection.jobDb, jobs))
  return { jobs, db: connection.db, logged, close }
}

/** Resolves when it is so. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const startedAt = Date.now(); !(await isSo()); await sleep(20)) {
    if (Date.now() - startedAt > 60_000) throw new Error(`It never came true: ${isSo}`)
  }
}

/** Works a job here and now, once. */
export async function workJob(context: WorkerContext, name: string, payload: object = {}): Promise<void> {
  const worker = createWorkers(context).find(({ definition }) => definition.name === name)
  if (worker === undefined) throw new Error(`There is no job ${name}.`)
  await worker.handle(payload as never, { jobId: randomUUID(), number: 1, signal: AbortSignal.timeout(60_000) })
}

/** Those that were given up, the newest first. */
export const deadJobs = (db: Database): Promise<DeadJobRow[]> => listDeadJobs(db, { after: undefined, limit: 100 })

/** How many jobs of this name are in each state, such as `{ completed: 1 }`. */
export async function statesOf(db: Database, name: string): Promise<Record<string, number>> {
  const { rows } = await sql<{ state: string; count: number }>`
    select state::text, count(*) from pgboss.job where name = ${name} group by state`.execute(db)
  return Object.fromEntries(rows.map(({ state, count }) => [state, Number(count)]))
}
