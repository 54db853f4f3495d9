import { sql } from 'kysely'
import type { KeyedRequest } from '../contract/types.ts'
import type { Database, Transaction } from '../database/database.ts'

export type IdempotencyRecord = Readonly<{ fingerprint: Buffer; answer: Buffer }>

/** How long a record counts. Those that are older may be there for another hour. */
const isCurrent = sql<boolean>`created_at > now() - interval '24 hours'`

/**
 * Keeps everybody else from the same request until the transaction ends, without waiting for anybody.
 * @returns false when somebody else is carrying it out
 */
export async function tryLockRequest(trx: Transaction, { userId, operation, key }: KeyedRequest): Promise<boolean> {
  // The 2 tells these locks from lock_changes(). Operations have no spaces, so no two requests have the same text.
  const { rows } = await sql<{ locked: boolean }>`
    select pg_try_advisory_xact_lock(hashtextextended(${`${userId} ${operation} ${key}`}, 2)) as locked`.execute(trx)
  return rows[0]?.locked === true
}

/** Only in a statement after tryLockRequest: it sees what was committed before the lock was free. */
export async function findRecord(trx: Transaction, { userId, operation, key }: KeyedRequest): Promise<IdempotencyRecord | undefined> {
  const record = await trx
    .selectFrom('idempotency_records')
    .select(['fingerprint', 'answer'])
    .where('user_id', '=', userId)
    .where('operation', '=', operation)
    .where('key', '=', key)
    .where(isCurrent)
    .executeTakeFirst()
  // The embedded database has a Uint8Array here.
  return record && { fingerprint: Buffer.from(record.fingerprint), answer: Buffer.from(record.answer) }
}

/** Keeps a record in the place of one that has expired. */
export async function saveRecord(trx: Transaction, { userId, operation, key }: KeyedRequest, record: IdempotencyRecord): Promise<void> {
  await trx
    .insertInto('idempotency_records')
    .values({ user_id: userId, operation, key, ...record })
    .onConflict((conflict) => conflict.columns(['user_id', 'operation', 'key']).doUpdateSet({ ...record, created_at: sql`now()` }))
    .execute()
}

/** @returns how many */
export async function deleteExpiredRecords(db: Database, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from idempotency_records where (user_id, operation, key) in (
      select user_id, operation, key from idempotency_records where not ${isCurrent} limit ${limit} for update skip locked
    )`.execute(db)
  return Number(numAffectedRows)
}
