import type { components } from '../../generated/api.ts'
import type { ReminderRow } from './queries.ts'

export function presentReminder(reminder: ReminderRow): components['schemas']['Reminder'] {
  return {
    id: reminder.id,
    taskId: reminder.task_id,
    at: reminder.at,
    minutesBefore: reminder.minutes_before,
    fireAt: reminder.fire_at,
    firedAt: reminder.fired_at,
    createdAt: reminder.created_at,
    updatedAt: reminder.updated_at,
  }
}
