import type { Context } from '../context.ts'
import type { HandlersOf } from '../contract/types.ts'
import { etagOf, versionsOf } from '../etag.ts'
import { notFound, preconditionFailed } from '../problem.ts'
import { findTask } from '../tasks/queries.ts'
import { createReminder } from './creation.ts'
import { presentReminder } from './presenter.ts'
import * as reminders from './queries.ts'

export const reminderHandlers = ({ db, cursors }: Context): HandlersOf<'reminders'> => ({
  async listReminders({ params: { taskId }, query: { limit, cursor }, user }, respond) {
    const belongsTo = `reminders ${user.id} ${taskId}`
    const after = cursors.after(belongsTo, cursor)
    const rows = await reminders.listReminders(db, user.id, taskId, after?.id, limit + 1)
    // A task with reminders is there; only an empty page leaves it open.
    if (rows.length === 0 && (await findTask(db, user.id, taskId)) === undefined) throw notFound('task')
    return respond(200, cursors.pageById(belongsTo, rows, limit, presentReminder))
  },

  async createReminder({ params, body, user }, respond) {
    const reminder = await createReminder(db, user.id, params.taskId, body)
    return respond(201, presentReminder(reminder), {
      headers: { Location: `/api/v1/reminders/${reminder.id}`, ETag: etagOf(reminder) },
    })
  },

  async getReminder({ params, user }, respond) {
    const reminder = await reminders.findReminder(db, user.id, params.reminderId)
    if (reminder === undefined) throw notFound('reminder')
    return respond(200, presentReminder(reminder), { headers: { ETag: etagOf(reminder) } })
  },

  async deleteReminder({ params, ifMatch, user }, respond) {
    if (await reminders.deleteReminder(db, user.id, params.reminderId, ifMatch && versionsOf(ifMatch))) return respond(204)
    throw (await reminders.findReminder(db, user.id, params.reminderId)) === undefined ? notFound('reminder') : preconditionFailed('reminder')
  },
})
