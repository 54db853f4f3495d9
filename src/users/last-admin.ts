import type { Transaction } from '../database/database.ts'
import { conflict } from '../problem.ts'
import { lockAdminsAnd, lockUnlessAdmin } from './queries.ts'

/**
 * To be called before a user loses the role admin, or is disabled or deleted: somebody must stay in charge. If the user is an
 * admin, all admins are locked, so that of two who take each other's place at once only one succeeds (test/admin/last-admin.test.ts). If not, nobody else
 * is: a deletion can take seconds, and admins could not log in for as long.
 * @throws Problem 409 for the last admin who is not disabled
 */
export async function requireAnotherAdmin(trx: Transaction, userId: string): Promise<void> {
  if (await lockUnlessAdmin(trx, userId)) return
  const [admin, ...others] = await lockAdminsAnd(trx, userId)
  if (admin === userId && others.length === 0) throw conflict('This is the last admin. Make somebody else one first.')
}
