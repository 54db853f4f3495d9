import type { MailTokenPurpose } from '../../generated/database.ts'
import { insertMailToken } from '../../src/account-mail/queries.ts'
import { MailTokens } from '../../src/account-mail/tokens.ts'
import type { Context } from '../../src/context.ts'
import { newId } from '../../src/id.ts'

/** What the mailed token of an operation is for. */
export const PURPOSES = { resetPassword: 'reset_password', verifyEmail: 'verify_email' } as const

/** A token for which no mail was sent, by its row. */
export async function insertToken({ db }: Context, user: { id: string; email: string }, purpose: MailTokenPurpose): Promise<string> {
  const id = newId()
  await db.transaction().execute((trx) => insertMailToken(trx, { user_id: user.id, id, purpose, email: user.email }, 3600))
  return id
}

/** A token as a mail to this address would bring it, without the mail. */
export async function mailTokenOf(context: Context, user: { id: string; email: string }, purpose: MailTokenPurpose): Promise<string> {
  const id = await insertToken(context, user, purpose)
  return new MailTokens(context.keys.mailToken).encode({ userId: user.id, id, purpose })
}
