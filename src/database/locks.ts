import { sql } from 'kysely'
import type { Transaction } from './database.ts'

/** As lock_timeout takes it. */
export const BRIEFLY = '200ms'

/**
 * Takes a lock on somebody's own row in users, or gives up soon (503): who keeps theirs locked, for instance by moving very many tasks to another time
 * zone, must not hold the connections of all others by waiting for themselves.
 */
export async function waitingBriefly<Result>(trx: Transaction, lock: () => Promise<Result>): Promise<Result> {
  await sql`set local lock_timeout = ${sql.lit(BRIEFLY)}`.execute(trx)
  const locked = await lock()
  await sql`set local lock_timeout to default`.execute(trx)
  return locked
}
