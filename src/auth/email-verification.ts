import { takeMailToken, voidMailTokens } from '../account-mail/queries.ts'
import { announce, requireMail, sendMailToken } from '../account-mail/sending.ts'
import { badMailToken, MailTokens } from '../account-mail/tokens.ts'
import { recordEvent } from '../audit/events.ts'
import type { Context } from '../context.ts'
import type { Client } from '../contract/types.ts'
import { inTransaction } from '../database/transactions.ts'
import { userGone } from '../users/gone.ts'
import { lockUser, updateUser } from '../users/queries.ts'
import { refusingTaken } from '../users/taken.ts'
import type { Identity } from './identity.ts'
import { announceUser } from './queries.ts'

/**
 * Takes the address that a token was mailed to for verified; one that was asked for by changeEmail becomes the user's.
 * @throws Problem 422 that names /token, or 409 EMAIL_TAKEN, which does not use the token up
 */
export async function verifyEmail(context: Context, { sessions }: Identity, text: string, client: Client): Promise<void> {
  const { db, keys } = context
  const content = new MailTokens(keys.mailToken).decode(text, 'verify_email', 'change_email')
  if (content === undefined) throw badMailToken()
  const { userId, purpose } = content
  const verified = sessions.ending(db, async (trx) => {
    const user = await lockUser(trx, userId)
    const token = user && (await takeMailToken(trx, content))
    if (user === undefined || token === undefined) throw badMailToken()
    const now = new Date().toISOString()
    await updateUser(trx, userId, { email: token.email, email_verified_at: now, updated_at: now })
    // What was mailed to the old address, or for an address that is verified by now, is void.
    await voidMailTokens(trx, userId, purpose === 'change_email' ? ['reset_password', 'verify_email', 'change_email'] : ['verify_email'])
    await announceUser(trx, userId)
    if (purpose === 'verify_email') return recordEvent(trx, client, { action: 'email.verified', userId, actor: { id: userId } })
    await recordEvent(trx, client, { action: 'email.changed', userId, actor: { id: userId }, changedFields: ['email'] })
    await announce(context, trx, user, 'email changed')
  })
  await refusingTaken(verified)
}

/** Has the verification mailed once more, unless it has been done or mailed just now. */
export async function resendVerification(context: Context, userId: string): Promise<void> {
  requireMail(context)
  await inTransaction(context.db, async (trx) => {
    const user = await lockUser(trx, userId)
    if (user === undefined) throw userGone()
    if (user.email_verified_at === null) await sendMailToken(context, trx, user, 'verify_email', user.email)
  })
}
