import { requireMail, sendMailToken } from '../account-mail/sending.ts'
import { recordEvent } from '../audit/events.ts'
import type { Identity } from '../auth/identity.ts'
import { requireOwnPassword, wrongPassword } from '../auth/login.ts'
import type { Context } from '../context.ts'
import type { BodyOf, Client, Principal } from '../contract/types.ts'
import { conflict, invalidField } from '../problem.ts'
import { userGone } from '../users/gone.ts'
import { lockUser, lockUserOfPassword } from '../users/queries.ts'

/**
 * Has a token mailed to a new address, which becomes the user's when they come back with that (verifyEmail). Whether the address is somebody else's shows
 * only then, to whoever reads its mails.
 * @throws Problem 422 that names /currentPassword or /email, or 409 after five within an hour
 */
export async function requestEmailChange(
  context: Context,
  identity: Identity,
  { currentPassword, email }: BodyOf<'changeEmail'>,
  principal: Principal,
  client: Client,
): Promise<void> {
  requireMail(context)
  const { db } = context
  const me = await requireOwnPassword(context, identity, principal, currentPassword, client)
  await db.transaction().execute(async (trx) => {
    const user = await lockUser(trx, me.id)
    if (user === undefined) throw userGone()
    // A new password cancels changes of address, this one too if it came first.
    if (!(await lockUserOfPassword(trx, me.id, me.password_hash))) throw wrongPassword()
    if (email.toLowerCase() === user.email.toLowerCase()) throw invalidField('body', '/email', 'unchanged', 'is your address already')
    await recordEvent(trx, client, { action: 'email.change_requested', userId: me.id, actor: principal })
    if (!(await sendMailToken(context, trx, user, 'change_email', email))) {
      throw conflict('You have asked for five changes within the last hour. Try again later.')
    }
  })
}
