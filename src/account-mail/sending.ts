import type { MailTokenPurpose } from '../../generated/database.ts'
import type { Context } from '../context.ts'
import type { Transaction } from '../database/database.ts'
import { newId } from '../id.ts'
import { defineJob } from '../jobs/definitions.ts'
import { MAIL_POLICY } from '../mail/policy.ts'
import { unavailable } from '../problem.ts'
import type { UserRow } from '../users/queries.ts'
import { countMailTokens, insertMailToken, voidMailTokens } from './queries.ts'

const LIFETIME_SECONDS: Readonly<Record<MailTokenPurpose, number>> = {
  reset_password: 30 * 60,
  verify_email: 86_400,
  change_email: 86_400,
}
const MOST_AN_HOUR = 5

/** What is told to the address that somebody had when it happened. */
export type Announcement = 'password changed' | 'password reset' | 'email changed'

/** Without a user where the address is nobody's: whether it is must not show in what a request does. */
export const preparePasswordReset = defineJob<{ userId: string | null }>('prepare-password-reset')
export const mailToken = defineJob<{ userId: string; tokenId: string }>('mail-token', MAIL_POLICY)
export const mailAnnouncement = defineJob<{ userId: string; email: string; what: Announcement }>('mail-announcement', MAIL_POLICY)

type Sender = Pick<Context, 'config' | 'jobs'>

const canMail = ({ config }: Sender) => config.mail.delivery.kind !== 'none'

/** @throws Problem 503 where no mail can be sent */
export function requireMail(sender: Sender): void {
  if (!canMail(sender)) throw unavailable('This server is not set up to send mail.')
}

/**
 * Has a token mailed, unless one that is good was mailed to this address within the last minute, or five for this purpose within the last hour. The user
 * must be locked, or new: otherwise two requests at once would count the same. Where no mail can be sent, it does nothing.
 * @returns false when there were five
 */
export async function sendMailToken(
  sender: Sender,
  trx: Transaction,
  user: Pick<UserRow, 'id'>,
  purpose: MailTokenPurpose,
  email: string,
): Promise<boolean> {
  if (!canMail(sender)) return true
  const { justNow, lastHour } = await countMailTokens(trx, user.id, purpose, email)
  if (justNow > 0) return true
  if (lastHour >= MOST_AN_HOUR) return false
  // Of several resets each is good, so that a stranger who asks for one does not void what the user was sent. Of several new addresses the last one is meant.
  if (purpose === 'change_email') await voidMailTokens(trx, user.id, ['change_email'])
  const id = newId()
  await insertMailToken(trx, { user_id: user.id, id, purpose, email }, LIFETIME_SECONDS[purpose])
  await sender.jobs.send(trx, mailToken, { userId: user.id, tokenId: id })
  return true
}

/** Tells somebody what was done to their account, at the address that they have, or had until now. Where no mail can be sent, it does nothing. */
export async function announce(sender: Sender, trx: Transaction, { id, email }: Pick<UserRow, 'id' | 'email'>, what: Announcement): Promise<void> {
  if (canMail(sender)) await sender.jobs.send(trx, mailAnnouncement, { userId: id, email, what })
}
