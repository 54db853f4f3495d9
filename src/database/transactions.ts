import { sql } from 'kysely'
import type { Database, Transaction } from './database.ts'

/**
 * Runs work in a transaction: one of its own, or part of the one that `db` is already, as in a request with an Idempotency-Key. Either way nothing of it
 * stays when it throws.
 */
export function inTransaction<Result>(db: Database, work: (trx: Transaction) => Promise<Result>): Promise<Result> {
  return isTransaction(db) ? inSavepoint(db, work) : db.transaction().execute(work)
}

const isTransaction = (db: Database): db is Transaction => db.isTransaction

async function inSavepoint<Result>(trx: Transaction, work: (trx: Transaction) => Promise<Result>): Promise<Result> {
  await sql`savepoint work`.execute(trx)
  try {
    const result = await work(trx)
    await sql`release savepoint work`.execute(trx)
    return result
  } catch (error) {
    // Where even that fails the connection is lost, and with it all that the transaction has done.
    await sql`rollback to savepoint work`.execute(trx).catch(() => undefined)
    throw error
  }
}

/**
 * Makes a transaction usable after work in it that may have failed in the middle of a statement. Other than inTransaction it keeps what came before that
 * statement, as it would be kept outside of a transaction: a refusal that was noted down, for instance.
 */
export async function recovering<Result>(trx: Transaction, work: () => Promise<Result>): Promise<Result> {
  await sql`savepoint before`.execute(trx)
  try {
    return await work()
  } catch (error) {
    // A transaction with a failed statement in it refuses this, and goes on from where it was before all the work.
    await sql`release savepoint before`.execute(trx).catch(() => sql`rollback to savepoint before`.execute(trx))
    throw error
  }
}
