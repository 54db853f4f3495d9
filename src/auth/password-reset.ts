import { findMailToken, takeMailToken, voidMailTokens } from '../account-mail/queries.ts'
import { announce, preparePasswordReset, requireMail } from '../account-mail/sending.ts'
import { badMailToken, MailTokens } from '../account-mail/tokens.ts'
import { recordEvent } from '../audit/events.ts'
import type { Context } from '../context.ts'
import type { BodyOf, Client } from '../contract/types.ts'
import type { Transaction } from '../database/database.ts'
import { findUser, findUserByLogin, lockUser, updateUser } from '../users/queries.ts'
import type { Identity } from './identity.ts'
import { requireAcceptablePassword } from './password-rules.ts'
import { deleteApiTokens, disableWebhooks, revokeSessions } from './queries.ts'

/**
 * Has a reset mailed to this address if it is somebody's. Whether it is shows neither in the answer nor in the time: what is done here is the same, and a
 * job does the rest.
 */
export async function requestPasswordReset(context: Context, email: string, client: Client): Promise<void> {
  requireMail(context)
  const { db, jobs } = context
  const user = await findUserByLogin(db, email)
  await db.transaction().execute(async (trx) => {
    await recordEvent(trx, client, { action: 'password.reset_requested', userId: user?.id })
    await jobs.send(trx, preparePasswordReset, { userId: user?.id ?? null })
  })
}

/**
 * Sets a new password in exchange for a mailed token, ends all sessions, and takes the address for verified. What else was mailed is void then.
 * @throws Problem 422 that names /token or /password; a password that is refused does not use the token up
 */
export async function resetPassword(
  context: Context,
  { passwords, sessions }: Identity,
  { token, password }: BodyOf<'resetPassword'>,
  client: Client,
): Promise<void> {
  const { db, keys } = context
  const content = new MailTokens(keys.mailToken).decode(token, 'reset_password')
  if (content === undefined) throw badMailToken()
  const { userId } = content
  // Nobody makes the server hash anything without a good token.
  const owner = (await findMailToken(db, userId, content.id)) && (await findUser(db, userId))
  if (owner === undefined) throw badMailToken()
  requireAcceptablePassword(password, owner, '/password')
  const passwordHash = await passwords.hash(password)

  await sessions.ending(db, async (trx) => {
    const user = await lockUser(trx, userId)
    if (user === undefined || (await takeMailToken(trx, content)) === undefined) throw badMailToken()
    const actor = { id: userId }
    await updateUser(trx, userId, { password_hash: passwordHash })
    await voidMailTokens(trx, userId, ['reset_password', 'verify_email', 'change_email'])
    await recordEvent(trx, client, { action: 'password.reset', userId, actor })
    if (user.email_verified_at === null) await takeForVerified(trx, actor, client)
    await revokeSessions(trx, userId)
    await announce(context, trx, user, 'password reset')
  })
}

/**
 * Until now it was not known whose the account is: whoever registered with a foreign address must not keep a way in, nor be told what changes. So API tokens
 * end as well, and webhooks are disabled.
 */
async function takeForVerified(trx: Transaction, actor: Readonly<{ id: string }>, client: Client): Promise<void> {
  const now = new Date().toISOString()
  await updateUser(trx, actor.id, { email_verified_at: now, updated_at: now })
  await recordEvent(trx, client, { action: 'email.verified', userId: actor.id, actor })
  if (await deleteApiTokens(trx, actor.id)) await recordEvent(trx, client, { action: 'api_token.revoked', userId: actor.id, actor })
  for (const objectId of await disableWebhooks(trx, actor.id))
    await recordEvent(trx, client, { action: 'webhook.disabled', userId: actor.id, actor, objectId })
}
