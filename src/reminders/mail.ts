import type { MailContent } from '../mail/content.ts'
import type { FiredReminder } from './mail-queries.ts'

export function reminderMail(reminder: FiredReminder): MailContent {
  return {
    subject: `Reminder: ${reminder.title}`,
    heading: reminder.title,
    paragraphs: [dueText(reminder), `List: ${reminder.list_title}`],
    footer: 'You asked Docket to remind you of this task.',
  }
}

/** In the zone of the user; a day stays the day that it is. */
function dueText({ due_on, due_at, time_zone }: FiredReminder): string {
  if (due_at === null) return 'It has no due date.'
  const text =
    due_on === null ? `${formatted(due_at, { timeStyle: 'short', timeZone: time_zone })} (${time_zone})` : formatted(due_on, { timeZone: 'UTC' })
  return `Due: ${text}`
}

const formatted = (time: string, options: Intl.DateTimeFormatOptions) =>
  new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', ...options }).format(new Date(time))
