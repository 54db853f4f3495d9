import { type RawBuilder, type SelectQueryBuilder, type SqlBool, sql } from 'kysely'
import type { components } from '../../generated/api.ts'
import type { DB, TaskPriority, Tasks } from '../../generated/database.ts'
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

/** How many statements with filters, and how many with words, are kept, each on every connection of the pool; without either there are 360. */
const MOST_KEPT = 140

type Kept = Map<string, PreparedStatement<Values, ListedTask>>

const kept = { plain: new Map() as Kept, filtered: new Map() as Kept, near: new Map() as Kept, words: new Map() as Kept }

/**
 * How many tasks a search reads in the order of its listing, before it looks its words up: about a millisecond. Tasks that were created one after the
 * other lie side by side, those that are due one after the other do not.
 */
const NEAR = { asCreated: 2500, otherwise: 500 }

/**
 * What a listing is chosen from: all tasks of the owner; the first ones; or those with the words of a search, from their index.
 * PostgreSQL cannot know how many tasks of one user have a word, so the choice is not left to it.
 */
type Source = 'all' | 'near' | 'words'

/**
 * The tasks of a listing, in its order, after its position. Every order is an index scan that stops after `limit` rows, at any depth;
 * one with a filter that hardly any task passes reads on until it has found them.
 *
 * A search for what many tasks have fills its page with the nearest ones; that for rare words finds them all in the index, and sorts them.
 *
 * The listings that apps show most are prepared statements: those in any order, of open or completed tasks or both, of one list or all, with words or
 * without; and of all lists those of some priorities, and in the order of due dates with bounds on them. The others are planned anew each time: the best plan depends on how many tasks pass their filters.
 */
export async function listTasks(db: Database, listing: TaskListing): Promise<ListedTask[]> {
  if (listing.words === undefined) return run(db, listing, 'all')
  const near = await run(db, listing, 'near')
  return near.length === listing.limit ? near : run(db, listing, 'words')
}

function run(db: Database, listing: TaskListing, source: Source): Promise<ListedTask[]> {
  const { after, priorities } = listing
  const values = { ...listing, key: after?.key ?? null, id: after?.id ?? '', priority: priorities?.[0] ?? null }
  const statement = statementFor(listing, source)
  return statement === undefined ? select(db, values, listing, source).execute() : statement.all(db, values)
}

function statementFor(listing: TaskListing, source: Source): PreparedStatement<Values, ListedTask> | undefined {
  const { listId, completed, priorities, categories, dueBefore, dueAfter, hasDueDate, words, sort, after, limit } = listing
  if (!KEPT_LIMITS.has(limit) || categories !== undefined) return undefined
  const bounds = `${dueBefore !== undefined} ${dueAfter !== undefined} ${hasDueDate}`
  const isBounded = bounds !== UNBOUNDED
  if (isBounded && sort !== 'dueAt') return undefined
  const isFiltered = priorities !== undefined || isBounded
  // A plan for a list that nobody knows would sort all of a long one.
  if (isFiltered && (words !== undefined || listId !== undefined)) return undefined
  const statements = kept[source === 'all' ? (isFiltered ? 'filtered' : 'plain') : source]
  const shape = `${sort} ${limit} ${completed} ${listId !== undefined} ${after !== undefined} ${Math.min(priorities?.length ?? 0, 2)} ${bounds}`
  let statement = statements.get(shape)
  if (statement === undefined && (statements === kept.plain || statements.size < MOST_KEPT)) {
    // One that may read on through all tasks of somebody who has very many holds up no others (test/database/pipelines.test.ts).
    const slow = statements === kept.filtered || statements === kept.words
    statement = prepared((compiler, value) => select(compiler, value, listing, source), { slow })
    statements.set(shape, statement)
  }
  return statement
}

const UNBOUNDED = 'false false undefined'

type Query = SelectQueryBuilder<DB, 'tasks', ListedTask>

const ALL_COLUMNS = [...TASK_COLUMNS, 'search'] as const

/**
 * @param value what goes into the statement as parameters
 * @param shape what decides on its text
 */
function select(db: Database, value: Values, shape: TaskListing, source: Source): Query {
  if (source === 'all') return inOrder(db, value, shape)
  if (source === 'words') return branch(tasksOf(db, indexed(db, value)), value, shape, shape.completed)
  const { ownerId, listId, completed, sort, after } = shape
  const limit = orderOf(sort) === undefined ? NEAR.asCreated : NEAR.otherwise
  const nearest = inOrder(db, value, { ownerId, listId, completed, sort, after, limit } as TaskListing, ALL_COLUMNS)
  const query = tasksOf(db, nearest).select(TASK_COLUMNS).select(sql.ref<string | null>('sort_key').as('sort_key'))
  return limited(filtered(query, value, shape), shape, orderOf(sort) && 'sort_key')
}

/** The columns of a query under the name of the table. */
function tasksOf(db: Database, query: Query | SelectQueryBuilder<DB, 'tasks', unknown>): SelectQueryBuilder<DB, 'tasks', unknown> {
  return db.selectFrom((query as Query).as('tasks')) as never
}

/** The tasks in which the index finds the words; it may find too many. OFFSET keeps PostgreSQL from looking them up in any other way. */
function indexed(db: Database, { ownerId, words }: Values): SelectQueryBuilder<DB, 'tasks', unknown> {
  const query = db.selectFrom('tasks').selectAll()
  return query.where(sql<SqlBool>`owned_words(owner_id, search) @@ (select owned_query(${ownerId}::uuid, ${words}))`).offset(sql.lit(0))
}

/**
 * The sort indexes hold open and completed tasks apart, so that the few open ones among many completed are found at once. A listing of both merges
 * the two (a Merge Append of two index scans), save in the order of creation, which has indexes of its own.
 * With one priority it merges as well: the indexes by priority hold each in the order of creation, so that a rare one is found at once.
 */
function inOrder(db: Database, value: Values, shape: TaskListing, columns: readonly (keyof Tasks)[] = TASK_COLUMNS): Query {
  const merges = orderOf(shape.sort) !== undefined || shape.priorities?.length === 1
  if (shape.completed !== undefined || !merges) return branch(db.selectFrom('tasks'), value, shape, shape.completed, columns)
  const half = (completed: boolean) => {
    const tasks = branch(db.selectFrom('tasks'), value, shape, completed, columns)
    return db.selectFrom(tasks.as(completed ? 'done' : 'open')).selectAll()
  }
  return limited(half(false).unionAll(half(true)) as never, shape, 'sort_key')
}

function branch(
  tasks: SelectQueryBuilder<DB, 'tasks', unknown>,
  value: Values,
  shape: TaskListing,
  completed: boolean | undefined,
  columns: readonly (keyof Tasks)[] = TASK_COLUMNS,
): Query {
  const beyond = sql.raw(directionOf(shape.sort) === 'desc' ? '<' : '>')
  const order = orderOf(shape.sort)
  let query = tasks
    .select(columns)
    .select((order?.key ?? sql<string | null>`null::text`).as('sort_key'))
    .where('owner_id', '=', value.ownerId) as unknown as Query
  if (shape.listId !== undefined) query = query.where('list_id', '=', value.listId as string)
  if (completed !== undefined) query = query.where('completed', '=', sql.lit(completed))
  query = filtered(query, value, shape)
  if (shape.after !== undefined) {
    query = query.where(
      order === undefined
        ? sql<SqlBool>`id ${beyond} ${value.id}::uuid`
        : sql<SqlBool>`(${order.key}, id) ${beyond} (${value.key}::${sql.raw(order.type)}, ${value.id}::uuid)`,
    )
  }
  return limited(query, shape, order?.key)
}

/** @param key what the tasks are sorted by before their ids, in the terms of the query */
function limited(query: Query, { sort, limit }: TaskListing, key: RawBuilder<string | null> | 'sort_key' | undefined): Query {
  const direction = directionOf(sort)
  const ordered = key === undefined ? query : query.orderBy(key, direction)
  return ordered.orderBy('id', direction).limit(sql.lit(limit))
}

function filtered(query: Query, value: Values, { priorities, categories, dueBefore, dueAfter, hasDueDate, words }: TaskListing): Query {
  const filters: RawBuilder<SqlBool>[] = []
  if (priorities?.length === 1) filters.push(sql`priority = ${value.priority}::task_priority`)
  else if (priorities !== undefined) filters.push(sql`priority = any(${value.priorities}::text[]::task_priority[])`)
  if (categories !== undefined) filters.push(sql`categories @> ${value.categories}::text[]`)
  // In the terms of the index on due dates.
  if (dueBefore !== undefined) filters.push(sql`${DUE_OR_LAST} < ${value.dueBefore}::timestamptz`)
  if (dueAfter !== undefined) filters.push(sql`${DUE_OR_LAST} >= ${value.dueAfter}::timestamptz`)
  if (dueAfter !== undefined || hasDueDate === true) filters.push(sql`${DUE_OR_LAST} < 'infinity'`)
  if (hasDueDate === false) filters.push(sql`${DUE_OR_LAST} = 'infinity'`)
  // As a subquery, which is run once and not for each task.
  if (words !== undefined) filters.push(sql`search @@ (select search_query(${value.words}))`)
  return filters.reduce((all, filter) => all.where(filter), query)
}
