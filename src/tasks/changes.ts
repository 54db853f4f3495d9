import type { BodyOf } from '../contract/types.ts'
import type { Database } from '../database/database.ts'
import { databaseFault } from '../database/errors.ts'
import { createdAtOf, newId } from '../id.ts'
import { notFound } from '../problem.ts'
import { refusingGone } from '../users/gone.ts'
import { storedDueDate } from './due-date.ts'
import { insertTask, LIST_OF_TASK, type TaskChanges, type TaskRow } from './queries.ts'

/**
 * @param listId undefined for the owner's inbox
 * @throws Problem 404 when the list is not the owner's
 */
export function createTask(db: Database, ownerId: string, body: BodyOf<'createListTask'>, listId: string | undefined): Promise<TaskRow> {
  const id = newId()
  const createdAt = createdAtOf(id)
  const task = {
    owner_id: ownerId,
    id,
    title: body.title,
    description: body.description ?? null,
    completed_at: body.completed ? createdAt : null,
    priority: body.priority,
    categories: body.categories ?? [],
    ...storedDueDate(body.dueDate ?? null),
    time_zone: body.timeZone ?? null,
    created_at: createdAt,
  }
  return refusingGone(refusingForeignList(insertTask(db, task, listId)))
}

/** What a merge patch (RFC 7396) sets. */
export function changesOf({ listId, title, description, completed, priority, categories, dueDate, timeZone }: BodyOf<'updateTask'>): TaskChanges {
  return {
    ...(listId !== undefined && { list_id: listId }),
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
    ...(completed !== undefined && { completed }),
    ...(priority !== undefined && { priority }),
    ...(categories !== undefined && { categories }),
    ...(dueDate !== undefined && { due: storedDueDate(dueDate) }),
    ...(timeZone !== undefined && { time_zone: timeZone }),
  }
}

/**
 * Runs what puts a task into a list. Whether the list is the owner's is decided by the foreign key in the same statement.
 * @throws Problem 404 when it is not
 */
export async function refusingForeignList<T>(write: Promise<T>): Promise<T> {
  try {
    return await write
  } catch (error) {
    const fault = databaseFault(error)
    if (fault?.kind === 'foreignKey' && fault.constraint === LIST_OF_TASK) throw notFound('list')
    throw error
  }
}
