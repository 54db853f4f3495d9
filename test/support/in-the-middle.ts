import { sql } from 'kysely'
import type { Database, Transaction } from '../../src/database/database.ts'

/**
 * Sends a request in the middle of a transaction, which goes on when somebody waits for a lock or the request is done, and commits.
 * @param before what the transaction does first
 * @param after what it does then
 */
export async function inTheMiddle<Reply>(
  db: Database,
  before: (trx: Transaction) => Promise<unknown>,
  send: () => Promise<Reply>,
  after: (trx: Transaction) => Promise<unknown> = async () => undefined,
): Promise<Reply> {
  let request: Promise<Reply> | undefined
  await db.transaction().execute(async (trx) => {
    await before(trx)
    request = send()
    let ended = false
    const end = () => {
      ended = true
    }
    request.then(end, end)
    while (!ended && !(await somebodyWaits(db))) await new Promise((resolve) => setImmediate(resolve))
    await after(trx)
  })
  return request as Promise<Reply>
}

async function somebodyWaits(db: Database): Promise<boolean> {
  const { rows } = await sql<{ waits: boolean }>`
    select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock') as waits`.execute(db)
  return rows[0]?.waits === true
}
