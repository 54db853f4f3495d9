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

/** The sort key is null in the order of creation, which is that of the ids. */
type ListedTask = TaskRow & { sort_key: string | null }

/** The parameters of a statement: the listing, with its position and its only priority flat. */
type Values = TaskListing & Readonly<{ key: string | null; id: string; priority: TaskPriority | null }>

/** An expression that indexes of its own hold (migrations/20261121T0920-create-tasks.ts), and the type of its value in a cursor. */
type Order = Readonly<{ key: RawBuilder<string | null>; type: string }>

// Without a due date is last in both directions.
const DUE_OR_LAST = sql<string | null>`coalesce(due_at, 'infinity')`
const DUE_OR_FIRST = sql<string | null>`coalesce(due_at, '-infinity')`

const ORDERS: Readonly<Record<string, Order>> = {
  updatedAt: { key: sql`updated_at`, type: 'timestamptz' },
  dueAt: { key: DUE_OR_LAST, type: 'timestamptz' },
  '-dueAt': { key: DUE_OR_FIRST, type: 'timestamptz' },
  priority: { key: sql`priority`, type: 'task_priority' },
  title: { key: sql`lower(title) collate "C"`, type: 'text' },
}

const directionOf = (sort: TaskSort) => (sort.startsWith('-') ? 'desc' : 'asc')

/** Undefined for the order of creation. */
const orderOf = (sort: TaskSort) => ORDERS[sort] ?? ORDERS[sort.replace('-', '')]

/** Where a page ended. */
export function positionOf(task: ListedTask): Position {
  return { key: task.sort_key, id: task.id }
}

/** Page lengths whose statements are kept; others are planned each time, because a plan for an unknown LIMIT is a bad one. */
const KEPT_LIMITS = new Set([20, 50, 100].map((limit) => limit + 1))

/** How many statements with filters are kept, each on every connection of the pool; without filters there are 360. */
const MOST_FILTERED = 140

const kept = { plain: new Map<string, PreparedStatement<Values, ListedTask>>(), filtered: new Map<string, PreparedStatement<Values, ListedTask>>() }

/**
 * The tasks of a listing, in its order, after its position. Every order is an index scan that stops after `limit` rows, at any depth;
 * one with a filter that hardly any task passes reads on until it has found them.
 *
 * The listings that apps show most are prepared statements: those in any order, of open or completed tasks or both, of some priorities, and in the order
 * of due dates those with bounds on them. The others are planned anew each time: the best plan depends on how many tasks pass their filters.
 */
export function listTasks(db: Database, listing: TaskListing): Promise<ListedTask[]> {
  const { after, priorities } = listing
  const values = { ...listing, key: after?.key ?? null, id: after?.id ?? '', priority: priorities?.[0] ?? null }
  const statement = statementFor(listing)
  return statement === undefined ? select(db, values, listing).execute() : statement.all(db, values)
}

function statementFor(listing: TaskListing): PreparedStatement<Values, ListedTask> | undefined {
  const { listId, completed, priorities, categories, dueBefore, dueAfter, hasDueDate, words, sort, after, limit } = listing
  if (!KEPT_LIMITS.has(limit) || categories !== undefined || words !== undefined) return undefined
  const bounds = `${dueBefore !== undefined} ${dueAfter !== undefined} ${hasDueDate}`
  const isBounded = bounds !== UNBOUNDED
  if (isBounded && sort !== 'dueAt') return undefined
  const isPlain = priorities === undefined && !isBounded
  const statements = isPlain ? kept.plain : kept.filtered
  const shape = `${sort} ${limit} ${completed} ${listId !== undefined} ${after !== undefined} ${Math.min(priorities?.length ?? 0, 2)} ${bounds}`
  let statement = statements.get(shape)
  if (statement === undefined && (isPlain || statements.size < MOST_FILTERED)) {
    // One with a filter may read on through all tasks of somebody who has very many (test/database/pipelines.test.ts).
    statement = prepared((compiler, value) => select(compiler, value, listing), { pipelined: isPlain })
    statements.set(shape, statement)
  }
  return statement
}

const UNBOUNDED = 'false false undefined'

/**
 * The sort indexes hold open and completed tasks apart, so that the few open ones among many completed are found at once. A listing of both merges
 * the two (a Merge Append of two index scans), save in the order of creation, which has indexes of its own.
 * With one priority it merges as well: the indexes by priority hold each in the order of creation, so that a rare one is found at once.
 * @param value what goes into the statement as parameters
 * @param shape what decides on its text
 */
function select(db: Database, value: Values, shape: TaskListing): SelectQueryBuilder<DB, 'tasks', ListedTask> {
  const direction = directionOf(shape.sort)
  const merges = orderOf(shape.sort) !== undefined || shape.priorities?.length === 1
  if (shape.completed !== undefined || !merges) return branch(db, value, shape, shape.completed)
  const half = (completed: boolean) => db.selectFrom(branch(db, value, shape, completed).as(completed ? 'done' : 'open')).selectAll()
  return half(false).unionAll(half(true)).orderBy('sort_key', direction).orderBy('id', direction).limit(sql.lit(shape.limit)) as never
}

function branch(db: Database, value: Values, shape: TaskListing, completed: boolean | undefined): SelectQueryBuilder<DB, 'tasks', ListedTask> {
  const direction = directionOf(shape.sort)
  const beyond = direction === 'desc' ? '<' : '>'
  const order = orderOf(shape.sort)
  let query = db
    .selectFrom('tasks')
    .select(TASK_COLUMNS)
    .select((order?.key ?? sql<string | null>`null::text`).as('sort_key'))
    .where('owner_id', '=', value.ownerId)
  if (shape.listId !== undefined) query = query.where('list_id', '=', value.listId as string)
  if (completed !== undefined) query = query.where('completed', '=', sql.lit(completed))
  for (const condition of filtersOf(value, shape)) query = query.where(condition)
  if (shape.after !== undefined) {
    query =
      order === undefined
        ? query.where('id', beyond, value.id)
        : query.where(sql<SqlBool>`(${order.key}, id) ${sql.raw(beyond)} (${value.key}::${sql.raw(order.type)}, ${value.id}::uuid)`)
  }
  if (order !== undefined) query = query.orderBy(order.key, direction)
  return query.orderBy('id', direction).limit(sql.lit(shape.limit))
}

function filtersOf(value: Values, shape: TaskListing): RawBuilder<SqlBool>[] {
  const { priorities, categories, dueBefore, dueAfter, hasDueDate, words } = shape
  const filters: RawBuilder<SqlBool>[] = []
  if (priorities?.length === 1) filters.push(sql`priority = ${value.priority}::task_priority`)
  else if (priorities !== undefined) filters.push(sql`priority = any(${value.priorities}::text[]::task_priority[])`)
  if (categories !== undefined) filters.push(sql`categories @> ${value.categories}::text[]`)
  // In the terms of the index on due dates.
  if (dueBefore !== undefined) filters.push(sql`${DUE_OR_LAST} < ${value.dueBefore}::timestamptz`)
  if (dueAfter !== undefined) filters.push(sql`${DUE_OR_LAST} >= ${value.dueAfter}::timestamptz`)
  if (dueAfter !== undefined || hasDueDate === true) filters.push(sql`${DUE_OR_LAST} < 'infinity'`)
  if (hasDueDate === false) filters.push(sql`${DUE_OR_LAST} = 'infinity'`)
  if (words !== undefined) filters.push(sql`search @@ search_query(${value.words})`)
  return filters
}
