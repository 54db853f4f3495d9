import { type Selectable, sql } from 'kysely'
import type { AuditEvents } from '../../generated/database.ts'
import type { Database } from '../database/database.ts'
import { firstIdOf } from '../id.ts'

export const AUDIT_COLUMNS = [
  'id',
  'occurred_at',
  'action',
  'operation',
  'user_id',
  'actor_id',
  'session_id',
  'api_token_id',
  'object_id',
  'changed_fields',
  'ip_address',
  'user_agent',
  'request_id',
] as const

export type AuditEventRow = Pick<Selectable<AuditEvents>, (typeof AUDIT_COLUMNS)[number]>

export async function insertAuditEvent(db: Database, event: AuditEventRow): Promise<void> {
  await db.insertInto('audit_events').values(event).execute()
}

type AuditListing = Readonly<{
  userId: string | undefined
  action: string | undefined
  from: string | undefined
  to: string | undefined
  beforeId: string | undefined
  limit: number
}>

/** The newest events that pass the filters, or those before a position. */
export function listAuditEvents(db: Database, { userId, action, from, to, beforeId, limit }: AuditListing): Promise<AuditEventRow[]> {
  let query = db.selectFrom('audit_events').select(AUDIT_COLUMNS)
  if (userId !== undefined) query = query.where((eb) => eb.or([eb('user_id', '=', userId), eb('actor_id', '=', userId)]))
  if (action !== undefined) query = query.where('action', '=', action)
  // An id says when it was made: so the index of the order finds the beginning.
  if (from !== undefined) query = query.where('id', '>=', firstIdOf(from))
  if (to !== undefined) query = query.where('id', '<', firstIdOf(to))
  if (beforeId !== undefined) query = query.where('id', '<', beforeId)
  return query.orderBy('id', 'desc').limit(limit).execute()
}

/**
 * Ends the retention of old events; nothing else may delete them.
 * @returns how many
 */
export async function deleteAuditEventsBefore(db: Database, instant: string, limit: number): Promise<number> {
  const { numDeletedRows } = await db.transaction().execute(async (trx) => {
    await sql`set local docket.audit_retention = 'on'`.execute(trx)
    return trx
      .deleteFrom('audit_events')
      .where('id', 'in', (eb) => eb.selectFrom('audit_events').select('id').where('occurred_at', '<', instant).limit(limit))
      .executeTakeFirstOrThrow()
  })
  return Number(numDeletedRows)
}
