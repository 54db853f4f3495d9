import { type Selectable, sql } from 'kysely'
import type { Categories, TaskPriority, Tasks } from '../../generated/database.ts'
import type { Database } from '../database/database.ts'
import { type PreparedStatement, prepared } from '../database/prepared.ts'

export const TASK_COLUMNS = [
  'id',
  'list_id',
  'title',
  'description',
  'completed_at',
  'priority',
  'categories',
  'due_on',
  'due_at',
  'time_zone',
  'version',
  'created_at',
  'updated_at',
] as const

export type TaskRow = Pick<Selectable<Tasks>, (typeof TASK_COLUMNS)[number]>
export type CategoryRow = Pick<Selectable<Categories>, 'name' | 'open_tasks' | 'completed_tasks'>

/** The foreign key that a task breaks whose list is not its owner's. */
export const LIST_OF_TASK = 'tasks_owner_id_list_id_fkey'

const find = prepared((db, value: { ownerId: string; id: string }) =>
  db.selectFrom('tasks').select(TASK_COLUMNS).where('owner_id', '=', value.ownerId).where('id', '=', value.id),
)

/** The user's task, or undefined: another user's task does not exist for them. */
export function findTask(db: Database, ownerId: string, id: string): Promise<TaskRow | undefined> {
  return find.first(db, { ownerId, id })
}

export type NewTaskRow = Readonly<{
  owner_id: string
  id: string
  title: string
  description: string | null
  completed_at: string | null
  priority: TaskPriority
  categories: readonly string[]
  due_on: string | null
  due_at: string | null
  time_zone: string | null
  created_at: string
}>

const NEW_TASK_COLUMNS = [
  'owner_id',
  'id',
  'title',
  'description',
  'completed_at',
  'priority',
  'categories',
  'due_on',
  'due_at',
  'time_zone',
  'created_at',
] as const

function newTaskValues(value: NewTaskRow) {
  const values = Object.fromEntries(NEW_TASK_COLUMNS.map((column) => [column, value[column]])) as unknown as Omit<NewTaskRow, 'categories'> & {
    categories: string[]
  }
  return { ...values, updated_at: value.created_at }
}

const insertIntoList = prepared((db, value: NewTaskRow & { list_id: string }) =>
  db
    .insertInto('tasks')
    .values({ ...newTaskValues(value), list_id: value.list_id })
    .returning(TASK_COLUMNS),
)

const insertIntoInbox = prepared((db, value: NewTaskRow) =>
  db
    .insertInto('tasks')
    .values((eb) => ({
      ...newTaskValues(value),
      list_id: eb.selectFrom('lists').select('lists.id').where('lists.owner_id', '=', value.owner_id).where('lists.inbox', '=', sql<boolean>`true`),
    }))
    .returning(TASK_COLUMNS),
)

/**
 * @param listId undefined for the owner's inbox
 * @throws the database's error on LIST_OF_TASK when the list is not the owner's
 */
export async function insertTask(db: Database, task: NewTaskRow, listId: string | undefined): Promise<TaskRow> {
  const [row] = listId === undefined ? await insertIntoInbox.all(db, task) : await insertIntoList.all(db, { ...task, list_id: listId })
  if (row === undefined) throw new Error('The insert returned no row.')
  return row
}

/** What a change sets; an absent field stays. */
export type TaskChanges = Partial<
  Readonly<{
    list_id: string
    title: string
    description: string | null
    completed: boolean
    priority: TaskPriority
    categories: readonly string[]
    due: Pick<TaskRow, 'due_on' | 'due_at'>
    time_zone: string | null
  }>
>

type UpdateValues = Record<string, unknown> & {
  ownerId: string
  id: string
  updatedAt: string
  versions: number[] | undefined
}

/** One statement for each set of fields that is changed together, most often one or two of them. */
const updates = new Map<string, PreparedStatement<UpdateValues, TaskRow>>()

/** @param versions change only one of these; undefined changes any */
export function updateTask(
  db: Database,
  ownerId: string,
  id: string,
  { due, ...fields }: TaskChanges,
  versions: number[] | undefined,
): Promise<TaskRow | undefined> {
  const values: UpdateValues = {
    ...fields,
    ...due,
    ownerId,
    id,
    versions,
    updatedAt: new Date().toISOString(),
  }
  const changed = Object.keys({ ...fields, ...due })
  const shape = `${changed.sort().join()} ${versions !== undefined}`
  let update = updates.get(shape)
  if (update === undefined) {
    update = updateOf(changed, versions !== undefined)
    updates.set(shape, update)
  }
  return update.first(db, values)
}

function updateOf(changed: readonly string[], conditional: boolean): PreparedStatement<UpdateValues, TaskRow> {
  return prepared((db, value) => {
    const columns = changed.map((name) =>
      name === 'completed'
        ? // Completing a completed task keeps the first time.
          ['completed_at', sql`case when ${value['completed']}::boolean then coalesce(completed_at, ${value.updatedAt}::timestamptz) end`]
        : [name, value[name]],
    )
    return db
      .updateTable('tasks')
      .set({
        ...Object.fromEntries(columns),
        updated_at: value.updatedAt,
        version: sql`version + 1`,
      })
      .where('owner_id', '=', value.ownerId)
      .where('id', '=', value.id)
      .$if(conditional, (query) => query.where(sql<boolean>`version = any(${value.versions}::int[])`))
      .returning(TASK_COLUMNS)
  })
}

/** @returns whether there was such a task, in one of these versions if any are given */
export async function deleteTask(db: Database, ownerId: string, id: string, versions: number[] | undefined): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('tasks')
    .where('owner_id', '=', ownerId)
    .where('id', '=', id)
    .$if(versions !== undefined, (query) => query.where(sql<boolean>`version = any(${versions}::int[])`))
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** The categories after a name, by code point. */
export function listCategories(db: Database, ownerId: string, after: string | undefined, limit: number): Promise<CategoryRow[]> {
  return db
    .selectFrom('categories')
    .select(['name', 'open_tasks', 'completed_tasks'])
    .where('owner_id', '=', ownerId)
    .$if(after !== undefined, (query) => query.where('name', '>', String(after)))
    .orderBy('name')
    .limit(limit)
    .execute()
}
