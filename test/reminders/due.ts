import { sql } from 'kysely'
import type { Context } from '../../src/context.ts'
import type { Person, TestApp } from '../support/app.ts'

/** A time of which nobody waits for the end. */
export const FAR = '2099-02-01T08:00:00.000Z'

export const newTask = async (
  { as }: TestApp,
  person: Person,
  body: Readonly<{ title?: string; dueDate?: string; timeZone?: string; listId?: string }> = {},
) => (await as(person)('createTask', { body: { title: 'Milk', ...body }, expect: 201 })).body

/** A reminder of a new task at a time that has come. */
export async function dueReminder(app: TestApp, person: Person, body: Parameters<typeof newTask>[2] = {}) {
  const task = await newTask(app, person, body)
  const { body: reminder } = await app.as(person)('createReminder', { params: { taskId: task.id }, body: { at: FAR }, expect: 201 })
  await makeDue(app.context, reminder.id)
  return { taskId: task.id, reminderId: reminder.id }
}

/** Nobody can ask for a time that has passed. */
export async function makeDue({ db }: Context, reminderId: string, at = '2026-01-01T08:00:00.000Z'): Promise<void> {
  await db
    .updateTable('reminders')
    .set((eb) => ({ at, fire_at: at, version: eb('version', '+', 1) }))
    .where('id', '=', reminderId)
    .execute()
}

export type Change = Readonly<{ type: string; resource_id: string; version: number; state: Record<string, unknown> | null; actor_id: string | null }>

/** What the log says of somebody's reminders, in its order. */
export async function changesOf({ db }: Context, { id }: Person): Promise<Change[]> {
  const { rows } = await sql<Change>`
    select type, resource_id, version, state, actor_id from changes where owner_id = ${id} and type::text like 'reminder.%' order by sequence`.execute(
    db,
  )
  return rows
}
