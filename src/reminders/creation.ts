import type { BodyOf } from '../contract/types.ts'
import type { Database } from '../database/database.ts'
import { inTransaction } from '../database/transactions.ts'
import { createdAtOf, newId } from '../id.ts'
import { instantOf } from '../instant.ts'
import { conflict, invalidField, notFound } from '../problem.ts'
import { countReminders, insertReminder, lockTask, type ReminderRow } from './queries.ts'

const MOST_REMINDERS = 10

/**
 * @throws Problem 404 when the task is not the owner's; 409 when its state forbids the reminder; 422 when its time has passed, or is not given once
 */
export async function createReminder(
  db: Database,
  ownerId: string,
  taskId: string,
  { at, minutesBefore }: BodyOf<'createReminder'>,
): Promise<ReminderRow> {
  if (at !== undefined && minutesBefore !== undefined) throw invalidField('body', '/minutesBefore', 'conflict', 'cannot be given together with at')
  return inTransaction(db, async (trx) => {
    const task = await lockTask(trx, ownerId, taskId)
    if (task === undefined) throw notFound('task')
    if (task.completed) throw conflict('The task is completed: there is nothing left to remind of.')
    if ((await countReminders(trx, ownerId, taskId)) >= MOST_REMINDERS)
      throw conflict(`The task has ${MOST_REMINDERS} reminders already. Delete one first.`)
    const fireAt = at === undefined ? momentBefore(task.due_at, Number(minutesBefore)) : new Date(instantOf(at))
    if (fireAt <= new Date(task.now)) throw invalidField('body', at === undefined ? '/minutesBefore' : '/at', 'past', 'is a time that has passed')

    const id = newId()
    const createdAt = createdAtOf(id)
    return insertReminder(trx, {
      owner_id: ownerId,
      id,
      task_id: taskId,
      at: at === undefined ? null : fireAt.toISOString(),
      minutes_before: minutesBefore ?? null,
      fire_at: fireAt.toISOString(),
      created_at: createdAt,
      updated_at: createdAt,
    })
  })
}

function momentBefore(dueAt: string | null, minutes: number): Date {
  if (dueAt === null) throw conflict('The task has no due date that a reminder could come before.')
  return new Date(Date.parse(dueAt) - minutes * 60_000)
}
