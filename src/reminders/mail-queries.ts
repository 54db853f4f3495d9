import { type Selectable, sql } from 'kysely'
import type { Lists, Tasks, Users } from '../../generated/database.ts'
import type { Database } from '../database/database.ts'
import { lockUser } from '../users/queries.ts'

export type FiredReminder = Readonly<
  Pick<Selectable<Users>, 'email' | 'email_verified_at' | 'time_zone'> &
    Pick<Selectable<Tasks>, 'title' | 'due_on' | 'due_at'> & { list_title: Lists['title'] }
>

/** What a reminder that fired at that time is about, unless it or its task is gone or its user is disabled. A completed task has no reminders. */
export function findFiredReminder(db: Database, ownerId: string, id: string, firedAt: string): Promise<FiredReminder | undefined> {
  return db
    .selectFrom('reminders')
    .innerJoin('tasks', (join) => join.onRef('tasks.owner_id', '=', 'reminders.owner_id').onRef('tasks.id', '=', 'reminders.task_id'))
    .innerJoin('lists', (join) => join.onRef('lists.owner_id', '=', 'tasks.owner_id').onRef('lists.id', '=', 'tasks.list_id'))
    .innerJoin('users', 'users.id', 'reminders.owner_id')
    .select(['users.email', 'users.email_verified_at', 'users.time_zone', 'tasks.title', 'tasks.due_on', 'tasks.due_at', 'lists.title as list_title'])
    .where('reminders.owner_id', '=', ownerId)
    .where('reminders.id', '=', id)
    .where('reminders.fired_at', '=', firedAt)
    .where('users.disabled_at', 'is', null)
    .executeTakeFirst()
}

/**
 * Counts a mail to an address that is not verified, once for its job however often that is tried.
 * @param most how many there may be in 24 hours
 * @returns false, and does not count it, when there were so many
 */
export function countMail(db: Database, userId: string, jobId: string, most: number): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    // Two at once would count the same.
    if ((await lockUser(trx, userId)) === undefined) return false
    await trx.deleteFrom('reminder_mails').where('user_id', '=', userId).where('sent_at', '<=', sql<string>`now() - interval '1 day'`).execute()
    const { count } = await trx
      .selectFrom('reminder_mails')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('user_id', '=', userId)
      .where('job_id', '<>', jobId)
      .executeTakeFirstOrThrow()
    if (Number(count) >= most) return false
    await trx
      .insertInto('reminder_mails')
      .values({ user_id: userId, job_id: jobId })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    return true
  })
}
