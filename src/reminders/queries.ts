import { type Insertable, type Selectable, sql } from 'kysely'
import type { Reminders } from '../../generated/database.ts'
import type { Database, Transaction } from '../database/database.ts'

const REMINDER_COLUMNS = ['id', 'task_id', 'at', 'minutes_before', 'fire_at', 'fired_at', 'version', 'created_at', 'updated_at'] as const

export type ReminderRow = Pick<Selectable<Reminders>, (typeof REMINDER_COLUMNS)[number]>

/** The user's reminder, or undefined: another user's reminder does not exist for them. */
export function findReminder(db: Database, ownerId: string, id: string): Promise<ReminderRow | undefined> {
  return db.selectFrom('reminders').select(REMINDER_COLUMNS).where('owner_id', '=', ownerId).where('id', '=', id).executeTakeFirst()
}

/** The reminders of a task after a position, in the order of their creation. */
export function listReminders(db: Database, ownerId: string, taskId: string, afterId: string | undefined, limit: number): Promise<ReminderRow[]> {
  return db
    .selectFrom('reminders')
    .select(REMINDER_COLUMNS)
    .where('owner_id', '=', ownerId)
    .where('task_id', '=', taskId)
    .$if(afterId !== undefined, (query) => query.where('id', '>', String(afterId)))
    .orderBy('id')
    .limit(limit)
    .execute()
}

/**
 * The user's task, which nobody else can change until this transaction ends: neither its due date nor its reminders.
 * @returns with the time by the clock of the database, which fires the reminders
 */
export function lockTask(
  trx: Transaction,
  ownerId: string,
  id: string,
): Promise<Readonly<{ completed: boolean; due_at: string | null; now: string }> | undefined> {
  return trx
    .selectFrom('tasks')
    .select(['completed', 'due_at', sql<string>`clock_timestamp()::timestamptz(3)`.as('now')])
    .where('owner_id', '=', ownerId)
    .where('id', '=', id)
    .forNoKeyUpdate()
    .executeTakeFirst()
}

export async function countReminders(trx: Transaction, ownerId: string, taskId: string): Promise<number> {
  const { count } = await trx
    .selectFrom('reminders')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('owner_id', '=', ownerId)
    .where('task_id', '=', taskId)
    .executeTakeFirstOrThrow()
  return Number(count)
}

export function insertReminder(trx: Transaction, reminder: Insertable<Reminders>): Promise<ReminderRow> {
  return trx.insertInto('reminders').values(reminder).returning(REMINDER_COLUMNS).executeTakeFirstOrThrow()
}

/** @returns whether there was such a reminder, in one of these versions if any are given */
export async function deleteReminder(db: Database, ownerId: string, id: string, versions: number[] | undefined): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('reminders')
    .where('owner_id', '=', ownerId)
    .where('id', '=', id)
    .$if(versions !== undefined, (query) => query.where(sql<boolean>`version = any(${versions}::int[])`))
    .executeTakeFirst()
  return numDeletedRows > 0n
}

type Claim = Readonly<{ owner_id: string; id: string; fired_at: string }>

/**
 * Reminders of anybody that are due, the oldest first, which nobody else gets until this transaction ends. Nobody is waited for: whoever has one locked is
 * firing, moving or deleting it.
 * @returns with the time at which fireReminders fires them
 */
export function claimDueReminders(trx: Transaction, limit: number): Promise<Claim[]> {
  return trx
    .selectFrom('reminders')
    .select(['owner_id', 'id', sql<string>`now()::timestamptz(3)`.as('fired_at')])
    .where('fired_at', 'is', null)
    .where('fire_at', '<=', sql<string>`now()`)
    .orderBy('fire_at')
    .limit(limit)
    .forNoKeyUpdate()
    .skipLocked()
    .execute()
}

export async function fireReminders(trx: Transaction, claims: readonly Claim[]): Promise<void> {
  await sql`
    update reminders set fired_at = now(), updated_at = now(), version = version + 1
    from unnest(${claims.map(({ owner_id }) => owner_id)}::uuid[], ${claims.map(({ id }) => id)}::uuid[]) as claimed (owner_id, id)
    where reminders.owner_id = claimed.owner_id and reminders.id = claimed.id`.execute(trx)
}
