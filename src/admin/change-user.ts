import { recordEvent } from '../audit/events.ts'
import { announceUser, revokeSessions } from '../auth/queries.ts'
import type { BodyOf, Client, Principal } from '../contract/types.ts'
import type { Transaction } from '../database/database.ts'
import { requireAnotherAdmin } from '../users/last-admin.ts'
import { lockUser, type UserRow, updateUser } from '../users/queries.ts'

/**
 * Gives a user another role, disables or enables them.
 * @returns undefined when there is no such user
 * @throws Problem 409 when the last admin would lose the role or be disabled
 */
export async function changeUser(
  trx: Transaction,
  userId: string,
  { role, disabled }: BodyOf<'updateUser'>,
  actor: Principal,
  client: Client,
): Promise<UserRow | undefined> {
  // Before the user is locked, so that locks are always taken in the same order.
  if (role === 'user' || disabled === true) await requireAnotherAdmin(trx, userId)
  const before = await lockUser(trx, userId)
  if (before === undefined) return undefined
  const roleChanges = role !== undefined && role !== before.role
  const stateChanges = disabled !== undefined && disabled !== (before.disabled_at !== null)
  if (!roleChanges && !stateChanges) return before

  const now = new Date().toISOString()
  const after = await updateUser(trx, userId, {
    ...(roleChanges && { role }),
    ...(stateChanges && { disabled_at: disabled ? now : null }),
    updated_at: now,
  })
  if (roleChanges)
    await recordEvent(trx, client, { action: role === 'admin' ? 'user.promoted' : 'user.demoted', userId, actor, changedFields: ['role'] })
  if (stateChanges)
    await recordEvent(trx, client, { action: disabled ? 'user.disabled' : 'user.enabled', userId, actor, changedFields: ['disabled'] })
  if (stateChanges && disabled) await revokeSessions(trx, userId)
  else await announceUser(trx, userId)
  return after
}
