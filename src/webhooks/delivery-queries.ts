import { type Insertable, type Selectable, sql, type Updateable } from 'kysely'
import type { WebhookDeliveries, WebhookDeliveryStatus } from '../../generated/database.ts'
import type { Database, Transaction } from '../database/database.ts'
import { isSlow } from './queries.ts'

const DELIVERY_COLUMNS = [
  'owner_id',
  'webhook_id',
  'id',
  'type',
  'resource_id',
  'version',
  'state',
  'actor_id',
  'occurred_at',
  'status',
  'round',
  'tries',
  'tried_at',
  'request_url',
  'request_headers',
  'response_status',
  'response_body',
  'milliseconds',
  'error',
  'created_at',
] as const

export type DeliveryRow = Pick<Selectable<WebhookDeliveries>, (typeof DELIVERY_COLUMNS)[number]>

/** Which delivery: all of its key. */
export type DeliveryKey = Readonly<{ ownerId: string; webhookId: string; deliveryId: string }>
/** Which round of tries of it. */
export type DeliveryRound = DeliveryKey & Readonly<{ round: number }>
/** One that needs a job, whether its webhook is slow, and how many of the same webhook have a job but no try yet. */
export type ClaimedDelivery = DeliveryRound & Readonly<{ slow: boolean; ahead: number }>

/** Further than this nobody counts. */
const MOST_AHEAD = 100

export function findDelivery(db: Database, { ownerId, webhookId, deliveryId }: DeliveryKey): Promise<DeliveryRow | undefined> {
  return db
    .selectFrom('webhook_deliveries')
    .select(DELIVERY_COLUMNS)
    .where('owner_id', '=', ownerId)
    .where('webhook_id', '=', webhookId)
    .where('id', '=', deliveryId)
    .executeTakeFirst()
}

/** The newest deliveries, or those before a position. */
export function listDeliveries(
  db: Database,
  ownerId: string,
  webhookId: string,
  statuses: readonly WebhookDeliveryStatus[] | undefined,
  beforeId: string | undefined,
  limit: number,
): Promise<DeliveryRow[]> {
  let query = db.selectFrom('webhook_deliveries').select(DELIVERY_COLUMNS).where('owner_id', '=', ownerId).where('webhook_id', '=', webhookId)
  if (statuses !== undefined) query = query.where('status', 'in', statuses)
  if (beforeId !== undefined) query = query.where('id', '<', beforeId)
  return query.orderBy('id', 'desc').limit(limit).execute()
}

export function insertDelivery(trx: Transaction, delivery: Insertable<WebhookDeliveries>): Promise<DeliveryRow> {
  return trx.insertInto('webhook_deliveries').values(delivery).returning(DELIVERY_COLUMNS).executeTakeFirstOrThrow()
}

/** Begins another round of tries, which takes the place of the one that goes on. @returns undefined for one that waits for its job anyway, or is not there */
export function repeatDelivery(trx: Transaction, { ownerId, webhookId, deliveryId }: DeliveryKey): Promise<DeliveryRow | undefined> {
  return trx
    .updateTable('webhook_deliveries')
    .set((eb) => ({ status: 'waiting', round: eb('round', '+', 1) }))
    .where('owner_id', '=', ownerId)
    .where('webhook_id', '=', webhookId)
    .where('id', '=', deliveryId)
    .where('status', '<>', 'waiting')
    .returning(DELIVERY_COLUMNS)
    .executeTakeFirst()
}

/** Deliveries that no job was sent for yet, of each owner so many of the oldest; those that somebody else is claiming are left to them. */
export async function claimWaitingDeliveries(trx: Transaction, limitOfOwner: number): Promise<ClaimedDelivery[]> {
  const { rows } = await sql<ClaimedDelivery>`
    with recursive owners as (
      (select owner_id from webhook_deliveries where status = 'waiting' order by owner_id limit 1)
      union all
      select (select owner_id from webhook_deliveries where status = 'waiting' and owner_id > owners.owner_id order by owner_id limit 1)
      from owners where owners.owner_id is not null
    ), claimed as materialized (
      select waiting.* from owners cross join lateral (
        select owner_id, webhook_id, id from webhook_deliveries
        where status = 'waiting' and webhook_deliveries.owner_id = owners.owner_id order by id limit ${limitOfOwner} for update skip locked
      ) as waiting
    ), queued as (
      update webhook_deliveries as delivery set status = 'queued' from claimed
      where delivery.owner_id = claimed.owner_id and delivery.webhook_id = claimed.webhook_id and delivery.id = claimed.id
      returning delivery.owner_id, delivery.webhook_id, delivery.id, delivery.round
    )
    select queued.owner_id as "ownerId", queued.webhook_id as "webhookId", queued.id as "deliveryId", queued.round, ${isSlow} as slow,
      (row_number() over (partition by queued.owner_id, queued.webhook_id order by queued.id) - 1 + before.count)::int as ahead
    from queued join webhooks on webhooks.owner_id = queued.owner_id and webhooks.id = queued.webhook_id
      cross join lateral (
        select count(*) from (
          select from webhook_deliveries
          where owner_id = queued.owner_id and webhook_id = queued.webhook_id and status = 'queued' limit ${MOST_AHEAD}
        ) as counted
      ) as before
    order by queued.id`.execute(trx)
  return rows
}

/** Notes the outcome of a round, or of a try in it, unless another has begun, or a later try has succeeded. */
export async function updateDelivery(
  db: Database,
  { ownerId, webhookId, deliveryId, round }: DeliveryRound,
  changes: Updateable<WebhookDeliveries>,
): Promise<void> {
  await db
    .updateTable('webhook_deliveries')
    .set(changes)
    .where('owner_id', '=', ownerId)
    .where('webhook_id', '=', webhookId)
    .where('id', '=', deliveryId)
    .where('round', '=', round)
    .where('status', '<>', 'delivered')
    .execute()
}

/** @returns how many */
export async function deleteDeliveriesBefore(db: Database, instant: string, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from webhook_deliveries where (owner_id, webhook_id, id) in (
      select owner_id, webhook_id, id from webhook_deliveries where created_at < ${instant} limit ${limit}
    )`.execute(db)
  return Number(numAffectedRows)
}
