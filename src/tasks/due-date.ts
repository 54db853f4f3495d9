import { instantOf } from '../instant.ts'
import type { TaskRow } from './queries.ts'

/** A due date as it is stored: an all-day date, from which the database derives due_at, or the instant itself. */
export type StoredDueDate = Pick<TaskRow, 'due_on' | 'due_at'>

/** @param dueDate a date or a date-time of RFC 3339, or null for none */
export function storedDueDate(dueDate: string | null): StoredDueDate {
  if (dueDate === null) return { due_on: null, due_at: null }
  if (dueDate.length === 'YYYY-MM-DD'.length) return { due_on: dueDate, due_at: null }
  return { due_on: null, due_at: instantOf(dueDate) }
}
