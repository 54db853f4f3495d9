import type { WorkerContext } from '../context.ts'
import { type Sweep, type Worker, work } from '../jobs/definitions.ts'
import { composeMail } from '../mail/content.ts'
import { fireDueReminders, mailReminder } from './firing.ts'
import { reminderMail } from './mail.ts'
import { countMail, findFiredReminder } from './mail-queries.ts'

/** An address that was not verified may be a stranger's, who must not be mailed without end. */
const MOST_UNVERIFIED_A_DAY = 10

export const reminderSweeps = (context: WorkerContext): readonly Sweep[] => [{ name: 'fire-due-reminders', run: () => fireDueReminders(context) }]

export function reminderWorkers({ db, logger, mailer }: WorkerContext): readonly Worker[] {
  return [
    work(mailReminder, async ({ userId, reminderId, firedAt }, attempt) => {
      const found = await findFiredReminder(db, userId, reminderId, firedAt)
      if (found === undefined) return
      if (found.email_verified_at === null && !(await countMail(db, userId, attempt.jobId, MOST_UNVERIFIED_A_DAY))) {
        logger.debug({ userId, reminderId }, 'a reminder is not mailed: the address is not verified, and got its share of the day')
        return
      }
      await mailer.send(composeMail(found.email, reminderMail(found)), attempt)
    }),
  ]
}
