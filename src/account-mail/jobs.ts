import type { WorkerContext } from '../context.ts'
import { deleteInBatches } from '../database/batches.ts'
import { defineRepeatedJob, type Worker, work } from '../jobs/definitions.ts'
import { composeMail } from '../mail/content.ts'
import { findUser, lockUser } from '../users/queries.ts'
import { announcementMail, tokenMail } from './mails.ts'
import { deleteExpiredMailTokens, findMailToken } from './queries.ts'
import { mailAnnouncement, mailToken, preparePasswordReset, sendMailToken } from './sending.ts'
import { MailTokens } from './tokens.ts'

const deleteExpired = defineRepeatedJob('delete-expired-mail-tokens', '5 3 * * *', { timeout: 600 })

export function accountMailWorkers(context: WorkerContext): readonly Worker[] {
  const { config, db, keys, mailer } = context
  const tokens = new MailTokens(keys.mailToken)
  return [
    work(preparePasswordReset, async ({ userId }) => {
      if (userId === null) return
      await db.transaction().execute(async (trx) => {
        const user = await lockUser(trx, userId)
        if (user === undefined || user.disabled_at !== null) return
        await sendMailToken(context, trx, user, 'reset_password', user.email)
      })
    }),

    work(mailToken, async ({ userId, tokenId }, attempt) => {
      const token = await findMailToken(db, userId, tokenId)
      const user = token && (await findUser(db, userId))
      if (token === undefined || user === undefined) return
      const text = tokens.encode({ userId, id: tokenId, purpose: token.purpose })
      await mailer.send(composeMail(token.email, tokenMail(config.mail.links, token.purpose, user.username, text)), attempt)
    }),

    work(mailAnnouncement, async ({ userId, email, what }, attempt) => {
      const user = await findUser(db, userId)
      if (user === undefined || user.disabled_at !== null) return
      await mailer.send(composeMail(email, announcementMail(what, user.username)), attempt)
    }),

    work(deleteExpired, (_payload, { signal }) => deleteInBatches((limit) => deleteExpiredMailTokens(db, limit), signal)),
  ]
}
