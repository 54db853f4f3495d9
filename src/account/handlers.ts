import { voidMailTokens } from '../account-mail/queries.ts'
import { announce } from '../account-mail/sending.ts'
import { recordEvent } from '../audit/events.ts'
import type { Identity } from '../auth/identity.ts'
import { requireOwnPassword, wrongPassword } from '../auth/login.ts'
import { requireAcceptablePassword } from '../auth/password-rules.ts'
import { revokeSessions } from '../auth/queries.ts'
import type { Context } from '../context.ts'
import type { HandlersOf } from '../contract/types.ts'
import { waitingBriefly } from '../database/locks.ts'
import { lockUser, lockUserOfPassword, updatePasswordHash } from '../users/queries.ts'
import { deleteUserForGood } from './deletion.ts'
import { requestEmailChange } from './email-change.ts'

export const accountHandlers = (context: Context, identity: Identity): HandlersOf<'account'> => ({
  async changePassword({ body: { currentPassword, newPassword }, user, client }, respond) {
    const { db } = context
    const me = await requireOwnPassword(context, identity, user, currentPassword, client)
    requireAcceptablePassword(newPassword, me, '/newPassword')
    const passwordHash = await identity.passwords.hash(newPassword)
    await identity.sessions.ending(db, async (trx) => {
      await waitingBriefly(trx, () => lockUser(trx, user.id))
      // Somebody else may have changed it meanwhile: then this is not the current password any more.
      if (!(await updatePasswordHash(trx, me.id, me.password_hash, passwordHash))) throw wrongPassword()
      await voidMailTokens(trx, user.id, ['reset_password', 'change_email'])
      await revokeSessions(trx, user.id, user.sessionId)
      await recordEvent(trx, client, { action: 'password.changed', userId: user.id, actor: user })
      await announce(context, trx, me, 'password changed')
    })
    return respond(204)
  },

  async changeEmail({ body, user, client }, respond) {
    await requestEmailChange(context, identity, body, user, client)
    return respond(202)
  },

  async deleteMe({ body: { currentPassword }, user, client }, respond) {
    const me = await requireOwnPassword(context, identity, user, currentPassword, client)
    await identity.sessions.ending(context.patientDb, (trx) =>
      deleteUserForGood(trx, user.id, user, client, async () => {
        // Whoever has changed the password meanwhile has not asked for this.
        if (!(await lockUserOfPassword(trx, me.id, me.password_hash))) throw wrongPassword()
      }),
    )
    return respond(204)
  },
})
