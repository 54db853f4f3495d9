import { sql } from 'kysely'
import type { Context } from '../context.ts'
import { NOTIFICATION_CHANNEL } from '../database/notifications.ts'
import { defineJob } from '../jobs/definitions.ts'
import { MAIL_POLICY } from '../mail/policy.ts'
import { claimDueReminders, fireReminders } from './queries.ts'

const BATCH = 100

/** fired_at tells apart what is mailed: a reminder that has been armed again meanwhile is not that one any more. */
export const mailReminder = defineJob<{ userId: string; reminderId: string; firedAt: string }>('mail-reminder', {
  ...MAIL_POLICY,
  concurrency: 4,
  groupOf: ({ userId }) => userId,
})

/**
 * Fires up to a hundred reminders that are due and that nobody else is firing: each once, however many instances look for them.
 * @returns whether there may be more
 */
export async function fireDueReminders({ db, jobs, config }: Pick<Context, 'db' | 'jobs' | 'config'>): Promise<boolean> {
  const fired = await db.transaction().execute(async (trx) => {
    const due = await claimDueReminders(trx, BATCH)
    if (due.length === 0) return 0
    if (config.mail.delivery.kind !== 'none') {
      for (const { owner_id, id, fired_at } of due) await jobs.send(trx, mailReminder, { userId: owner_id, reminderId: id, firedAt: fired_at })
    }
    // Last, as it takes the locks of their owners' changes.
    await fireReminders(trx, due)
    const owners = [...new Set(due.map(({ owner_id }) => owner_id))]
    await sql`select pg_notify(${NOTIFICATION_CHANNEL}, ${`changes:${owners}`})`.execute(trx)
    return due.length
  })
  jobs.effects.add('reminder', 'fired', fired)
  return fired === BATCH
}
