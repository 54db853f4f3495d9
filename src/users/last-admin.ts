import type { Transaction } from '../database/database.ts'
import { conflict } from '../problem.ts'
import { lockAdminsAnd } from './queries.ts'

/**
 * To be called before a user loses the role admin, or is disabled or deleted: somebody must stay in charge. All admins and the user are locked, so that
 * of two who take each other's place at once only one succeeds (test/admin/last-admin.test.ts).
 * @throws Problem 409 for the last admin who is not disabled
 */
export async function requireAnotherAdmin(trx: Transaction, userId: string): Promise<void> {
  const [admin, ...others] = await lockAdminsAnd(trx, userId)
  if (admin === userId && others.length === 0) throw conflict('This is the last admin. Make somebody else one first.')
}
