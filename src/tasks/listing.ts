import { type RawBuilder, type SelectQueryBuilder, type SqlBool, sql } from 'kysely'
import type { components } from '../../generated/api.ts'
import type { DB, TaskPriority } from '../../generated/database.ts'
import type { Database } from '../database/database.ts'
import type { Position } from '../database/pagination.ts'
import { type PreparedStatement, prepared } from '../database/prepared.ts'
import { TASK_COLUMNS, type TaskRow } from './queries.ts'

export type TaskSort = components['schemas']['TaskSort']

/** What a listing asks for; an absent filter lets every task pass. Instants are RFC 3339 in UTC. */
export type TaskListing = Readonly<{
  ownerId: string
  listId?: string
  completed?: boolean
  priorities?: readonly TaskPriority[]
  categories?: readonly string[]
  dueBefore?: string
  dueAfter?: string
  hasDueDate?: boolean
  words?: string
  sort: TaskSort
  after?: Position
  limit: number
}>

type ListedTask = TaskRow & { sort_key?: string | null }

/** `order` is an expression that an index of its own holds (migrations/20261121T0920-create-tasks.ts); `key` is its value in a row, for the cursor. */
type Order = Readonly<{
  order: RawBuilder<unknown>
  type: RawBuilder<unknown>
  key: (task: ListedTask) => string | null
}>

// Without a due date is last in both directions.
const DUE_OR_LAST = sql`coalesce(due_at, 'infinity')`
const DUE_OR_FIRST = sql`coalesce(due_at, '-infinity')`
const TITLE = sql`lower(title) collate "C"`

const timestamp = sql.raw('timestamptz')
const ORDERS: Readonly<Record<Exclude<TaskSort, 'createdAt' | '-createdAt'>, Order>> = {
  updatedAt: {
    order: sql`updated_at`,
    type: timestamp,
    key: ({ updated_at }) => updated_at,
  },
  '-updatedAt': {
    order: sql`updated_at`,
    type: timestamp,
    key: ({ updated_at }) => updated_at,
  },
  dueAt: {
    order: DUE_OR_LAST,
    type: timestamp,
    key: ({ due_at }) => due_at ?? 'infinity',
  },
  '-dueAt': {
    order: DUE_OR_FIRST,
    type: timestamp,
    key: ({ due_at }) => due_at ?? '-infinity',
  },
  priority: {
    order: sql`priority`,
    type: sql.raw('task_priority'),
    key: ({ priority }) => priority,
  },
  '-priority': {
    order: sql`priority`,
    type: sql.raw('task_priority'),
    key: ({ priority }) => priority,
  },
  title: {
    order: TITLE,
    type: sql.raw('text'),
    key: ({ sort_key = null }) => sort_key,
  },
  '-title': {
    order: TITLE,
    type: sql.raw('text'),
    key: ({ sort_key = null }) => sort_key,
  },
}

/** Where a page in this order ended. The order of creation is that of the ids. */
export function positionOf(sort: TaskSort, task: ListedTask): Position {
  return {
    key: sort === 'createdAt' || sort === '-createdAt' ? null : ORDERS[sort].key(task),
    id: task.id,
  }
}

/** Page lengths whose statements are kept; others are planned each time, because a plan for an unknown LIMIT is a bad one. */
const KEPT_LIMITS = new Set([20, 50, 100].map((limit) => limit + 1))

const kept = new Map<string, PreparedStatement<TaskListing & { key: string | null; id: string }, ListedTask>>()

/**
 * The tasks of a listing, in its order, after its position. Every order is an index scan that stops after `limit` rows, at any depth.
 *
 * The listings that apps show most, all or the open or the completed tasks in any order, are prepared statements. Those with more filters are
 * planned anew each time: the best plan depends on how many tasks pass them.
 */
export function listTasks(db: Database, listing: TaskListing): Promise<ListedTask[]> {
  const values = {
    ...listing,
    key: listing.after?.key ?? null,
    id: listing.after?.id ?? '',
  }
  const { listId, completed, priorities, categories, dueBefore, dueAfter, hasDueDate, words, sort, after, limit } = listing
  const isPlain = [priorities, categories, dueBefore, dueAfter, hasDueDate, words].every((filter) => filter === undefined)
  if (!isPlain || !KEPT_LIMITS.has(limit)) return select(db, values, listing).execute()
  const shape = `${sort} ${limit} ${completed} ${listId !== undefined} ${after !== undefined}`
  let statement = kept.get(shape)
  if (statement === undefined) {
    statement = prepared((compiler, value) => select(compiler, value, listing))
    kept.set(shape, statement)
  }
  return statement.all(db, values)
}

/**
 * @param value what goes into the statement as parameters
 * @param shape what decides on its text
 */
function select(
  db: Database,
  value: TaskListing & { key: string | null; id: string },
  shape: TaskListing,
): SelectQueryBuilder<DB, 'tasks', ListedTask> {
  const { sort } = shape
  const direction = sort.startsWith('-') ? 'desc' : 'asc'
  const beyond = sql.raw(direction === 'desc' ? '<' : '>')
  const conditions = filtersOf(value, shape)
  let query = db.selectFrom('tasks').select(TASK_COLUMNS).where('owner_id', '=', value.ownerId)
  if (shape.listId !== undefined) query = query.where('list_id', '=', value.listId as string)
  for (const condition of conditions) query = query.where(condition)

  if (sort === 'createdAt' || sort === '-createdAt') {
    if (shape.after !== undefined) query = query.where('id', direction === 'desc' ? '<' : '>', value.id)
    return query.orderBy('id', direction).limit(sql.lit(shape.limit))
  }
  const { order, type } = ORDERS[sort]
  if (shape.after !== undefined) query = query.where(sql<SqlBool>`(${order}, id) ${beyond} (${value.key}::${type}, ${value.id}::uuid)`)
  const ordered = query.orderBy(order, direction).orderBy('id', direction).limit(sql.lit(shape.limit))
  return order === TITLE ? ordered.select(sql<string>`${TITLE}`.as('sort_key')) : ordered
}

function filtersOf(value: TaskListing, shape: TaskListing): RawBuilder<SqlBool>[] {
  const { completed, priorities, categories, dueBefore, dueAfter, hasDueDate, words } = shape
  const filters: RawBuilder<SqlBool>[] = []
  if (completed !== undefined) filters.push(completed ? sql`completed_at is not null` : sql`completed_at is null`)
  if (priorities !== undefined) filters.push(sql`priority = any(${value.priorities}::task_priority[])`)
  if (categories !== undefined) filters.push(sql`categories @> ${value.categories}::text[]`)
  // In the terms of the index on due dates.
  if (dueBefore !== undefined) filters.push(sql`${DUE_OR_LAST} < ${value.dueBefore}::timestamptz`)
  if (dueAfter !== undefined) filters.push(sql`${DUE_OR_LAST} >= ${value.dueAfter}::timestamptz`)
  if (dueAfter !== undefined || hasDueDate === true) filters.push(sql`${DUE_OR_LAST} < 'infinity'`)
  if (hasDueDate === false) filters.push(sql`${DUE_OR_LAST} = 'infinity'`)
  if (words !== undefined) filters.push(sql`search @@ search_query(${value.words})`)
  return filters
}
