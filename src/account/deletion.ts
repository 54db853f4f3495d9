import { recordEvent } from '../audit/events.ts'
import { announceUser } from '../auth/queries.ts'
import type { Client, Principal } from '../contract/types.ts'
import type { Transaction } from '../database/database.ts'
import { requireAnotherAdmin } from '../users/last-admin.ts'
import { deleteUser, lockTasks } from './queries.ts'

/**
 * Deletes a user with all that is theirs.
 * @param requirePermission looks once more, when the user is locked, whether this may be done; it throws a Problem if not
 * @returns false when there is no such user
 * @throws Problem 409 for the last admin
 */
export async function deleteUserForGood(
  trx: Transaction,
  userId: string,
  actor: Principal,
  client: Client,
  requirePermission = async () => {},
): Promise<boolean> {
  await lockTasks(trx, userId)
  await requireAnotherAdmin(trx, userId)
  await requirePermission()
  if (!(await deleteUser(trx, userId))) return false
  await announceUser(trx, userId)
  await recordEvent(trx, client, { action: 'user.deleted', userId, actor })
  return true
}
