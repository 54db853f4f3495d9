import { PgBoss } from 'pg-boss'
import type { ExecuteSql } from '../database/database.ts'

/**
 * Brings the schema `pgboss`, where pg-boss keeps the jobs, up to the version that this pg-boss needs. Any number of processes may do so at once:
 * one does, the others wait for its advisory lock.
 * @returns what ran, named like a migration
 */
export async function installJobs(executeSql: ExecuteSql): Promise<string[]> {
  const boss = new PgBoss({ db: { executeSql }, migrate: true, supervise: false, schedule: false })
  // What matters rejects start(); an error that nobody listens for would end the process.
  boss.on('error', () => undefined)
  const before = (await boss.isInstalled()) ? await boss.schemaVersion() : null
  try {
    await boss.start()
  } finally {
    await boss.stop({ graceful: false })
  }
  const after = await boss.schemaVersion()
  return before === after ? [] : [`pgboss-${after}`]
}
