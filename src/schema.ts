import type { Database, ExecuteSql } from './database/database.ts'
import { migrateToLatest } from './database/migrate.ts'
import { installJobs } from './jobs/install.ts'

/**
 * Brings our schema and that of the jobs up to date. Any number of processes may do so at once.
 * @returns the names of the migrations that ran
 */
export async function updateSchema(db: Database, executeSql: ExecuteSql): Promise<string[]> {
  return [...(await migrateToLatest(db)), ...(await installJobs(executeSql))]
}
