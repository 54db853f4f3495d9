import { type Selectable, sql, type Updateable } from 'kysely'
import type { Lists } from '../../generated/database.ts'
import type { Database, Transaction } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'

const LIST_COLUMNS = ['id', 'title', 'description', 'inbox', 'open_tasks', 'completed_tasks', 'version', 'created_at', 'updated_at'] as const

export type ListRow = Pick<Selectable<Lists>, (typeof LIST_COLUMNS)[number]>
export type NewListRow = Readonly<{
  owner_id: string
  id: string
  title: string
  description: string | null
  created_at: string
  updated_at: string
}>

const find = prepared((db, value: { ownerId: string; id: string }) =>
  db.selectFrom('lists').select(LIST_COLUMNS).where('owner_id', '=', value.ownerId).where('id', '=', value.id),
)

/** The user's list, or undefined: another user's list does not exist for them. */
export function findList(db: Database, ownerId: string, id: string): Promise<ListRow | undefined> {
  return find.first(db, { ownerId, id })
}

/** The lists after a position, in the order of creation. */
export function listLists(db: Database, ownerId: string, afterId: string | undefined, limit: number): Promise<ListRow[]> {
  return db
    .selectFrom('lists')
    .select(LIST_COLUMNS)
    .where('owner_id', '=', ownerId)
    .$if(afterId !== undefined, (query) => query.where('id', '>', String(afterId)))
    .orderBy('id')
    .limit(limit)
    .execute()
}

export function insertList(db: Database, list: NewListRow): Promise<ListRow> {
  return db.insertInto('lists').values(list).returning(LIST_COLUMNS).executeTakeFirstOrThrow()
}

/** The one list that everybody is born with. */
export async function insertInbox(trx: Transaction, ownerId: string, id: string, createdAt: string): Promise<void> {
  await trx
    .insertInto('lists')
    .values({
      owner_id: ownerId,
      id,
      title: 'Inbox',
      inbox: true,
      created_at: createdAt,
      updated_at: createdAt,
    })
    .execute()
}

/** @param versions change only one of these; undefined changes any */
export function updateList(
  db: Database,
  ownerId: string,
  id: string,
  changes: Updateable<Lists>,
  versions: number[] | undefined,
): Promise<ListRow | undefined> {
  return db
    .updateTable('lists')
    .set(changes)
    .set((eb) => ({ version: eb('version', '+', 1) }))
    .where('owner_id', '=', ownerId)
    .where('id', '=', id)
    .$if(versions !== undefined, (query) => query.where(sql<boolean>`version = any(${versions}::int[])`))
    .returning(LIST_COLUMNS)
    .executeTakeFirst()
}

/** Deletes the list with its tasks, unless it is the inbox. @returns whether it did */
export async function deleteList(db: Database, ownerId: string, id: string, versions: number[] | undefined): Promise<boolean> {
  const { numDeletedRows } = await db
    // Whoever changes a task locks the task, then its list, to count it: so does this, or the two might wait for each other.
    .with('locked', (cte) => cte.selectFrom('tasks').select('id').where('owner_id', '=', ownerId).where('list_id', '=', id).orderBy('id').forUpdate())
    .deleteFrom('lists')
    .where('owner_id', '=', ownerId)
    .where('id', '=', id)
    .where('inbox', '=', false)
    .where((eb) => eb(eb.selectFrom('locked').select(eb.fn.countAll<number>().as('count')), '>=', 0))
    .$if(versions !== undefined, (query) => query.where(sql<boolean>`version = any(${versions}::int[])`))
    .executeTakeFirst()
  return numDeletedRows > 0n
}
