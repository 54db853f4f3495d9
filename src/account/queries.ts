import { type RawBuilder, sql } from 'kysely'
import type { Transaction } from '../database/database.ts'

/** Locks rows in the order of their ids, without fetching them: there may be a hundred thousand. */
const lock = (trx: Transaction, rows: RawBuilder<unknown>) => sql`select count(*) from (${rows} order by id for update) as locked`.execute(trx)

/** The user's tasks, which nobody else can change until this transaction ends: what changes one locks it first, then its user, then its list. */
export async function lockTasks(trx: Transaction, userId: string): Promise<void> {
  await lock(trx, sql`select id from tasks where owner_id = ${userId}`)
}

/**
 * Deletes a user who is locked, as are their tasks (lockTasks). Whoever creates a task at the same time holds its list and may still refer to its user: so
 * the user was locked for all else, now the lists are, and only then comes what is in nobody's way (test/security/account-races.test.ts).
 * @returns whether there was such a user
 */
export async function deleteUser(trx: Transaction, id: string): Promise<boolean> {
  await lock(trx, sql`select id from lists where owner_id = ${id}`)
  const { numDeletedRows } = await trx.deleteFrom('users').where('id', '=', id).executeTakeFirstOrThrow()
  return numDeletedRows > 0n
}
