import type { components } from '../../generated/api.ts'
import type { Context } from '../context.ts'
import type { RequestOf } from '../contract/types.ts'
import { pageOf } from '../database/pagination.ts'
import { instantOf } from '../instant.ts'
import { listTasks, positionOf } from './listing.ts'
import { presentTask } from './presenter.ts'

type TaskQuery = RequestOf<'listTasks'>['query']

/**
 * A page of the owner's tasks, of one list or of all.
 * @throws Problem 422 for a cursor of another listing or order
 */
export async function taskPage(
  { db, cursors }: Context,
  query: TaskQuery,
  ownerId: string,
  listId?: string,
): Promise<components['schemas']['TaskPage']> {
  const { sort, limit, cursor, completed, priority, category, dueBefore, dueAfter, hasDueDate, q } = query
  const belongsTo = `tasks ${ownerId} ${listId ?? ''} ${sort}`
  const after = cursors.after(belongsTo, cursor)
  const rows = await listTasks(db, {
    ownerId,
    sort,
    // One more than the page holds, to see whether there is another.
    limit: limit + 1,
    ...(listId !== undefined && { listId }),
    ...(after !== undefined && { after }),
    ...(completed !== undefined && { completed }),
    ...(priority !== undefined && { priorities: priority }),
    ...(category !== undefined && { categories: category }),
    ...(dueBefore !== undefined && { dueBefore: instantOf(dueBefore) }),
    ...(dueAfter !== undefined && { dueAfter: instantOf(dueAfter) }),
    ...(hasDueDate !== undefined && { hasDueDate }),
    ...(q !== undefined && { words: q }),
  })
  return pageOf(rows, limit, presentTask, (task) => cursors.encode(belongsTo, positionOf(task)))
}
