import { type Insertable, type Selectable, type SqlBool, sql, type Updateable } from 'kysely'
import type { Webhooks } from '../../generated/database.ts'
import type { Database, Transaction } from '../database/database.ts'

const WEBHOOK_COLUMNS = ['id', 'url', 'description', 'events', 'enabled', 'disabled_reason', 'version', 'created_at', 'updated_at'] as const
const SECRET_COLUMNS = ['owner_id', 'id', 'secret', 'previous_secret'] as const

export type WebhookRow = Pick<Selectable<Webhooks>, (typeof WEBHOOK_COLUMNS)[number]>
/** The sealed secrets of a webhook. */
export type SecretRow = Pick<Selectable<Webhooks>, (typeof SECRET_COLUMNS)[number]>
/** A webhook as something is sent to it; the previous secret is there while it signs. `enabled` is false as well while its owner is disabled. */
export type ReceiverRow = SecretRow & Pick<Selectable<Webhooks>, 'url' | 'enabled'> & Readonly<{ slow: boolean }>

/** Whether a try took long in the last ten minutes, or since all have failed. */
export const isSlow = sql<boolean>`coalesce(webhooks.slow_at > now() - interval '10 minutes' or webhooks.slow_at >= webhooks.failing_since, false)`

export function findWebhook(db: Database, ownerId: string, id: string): Promise<WebhookRow | undefined> {
  return db.selectFrom('webhooks').select(WEBHOOK_COLUMNS).where('owner_id', '=', ownerId).where('id', '=', id).executeTakeFirst()
}

/** The webhook, which cannot be deleted until this transaction ends. */
export function lockWebhook(trx: Transaction, ownerId: string, id: string): Promise<WebhookRow | undefined> {
  return trx.selectFrom('webhooks').select(WEBHOOK_COLUMNS).where('owner_id', '=', ownerId).where('id', '=', id).forKeyShare().executeTakeFirst()
}

/** The webhooks after a position, in the order of their creation. */
export function listWebhooks(db: Database, ownerId: string, afterId: string | undefined, limit: number): Promise<WebhookRow[]> {
  return db
    .selectFrom('webhooks')
    .select(WEBHOOK_COLUMNS)
    .where('owner_id', '=', ownerId)
    .$if(afterId !== undefined, (query) => query.where('id', '>', String(afterId)))
    .orderBy('id')
    .limit(limit)
    .execute()
}

export async function countWebhooks(trx: Transaction, ownerId: string): Promise<number> {
  const { count } = await trx
    .selectFrom('webhooks')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('owner_id', '=', ownerId)
    .executeTakeFirstOrThrow()
  return Number(count)
}

export function insertWebhook(trx: Transaction, webhook: Insertable<Webhooks>): Promise<WebhookRow> {
  return trx.insertInto('webhooks').values(webhook).returning(WEBHOOK_COLUMNS).executeTakeFirstOrThrow()
}

/** @param versions change only one of these; undefined changes any */
export function updateWebhook(
  trx: Transaction,
  ownerId: string,
  id: string,
  changes: Updateable<Webhooks>,
  versions: number[] | undefined,
): Promise<WebhookRow | undefined> {
  return trx
    .updateTable('webhooks')
    .set(changes)
    .set((eb) => ({ version: eb('version', '+', 1) }))
    .where('owner_id', '=', ownerId)
    .where('id', '=', id)
    .$if(versions !== undefined, (query) => query.where(sql<SqlBool>`version = any(${versions}::int[])`))
    .returning(WEBHOOK_COLUMNS)
    .executeTakeFirst()
}

/** Deletes the webhook with its deliveries. @returns whether it did */
export async function deleteWebhook(trx: Transaction, ownerId: string, id: string, versions: number[] | undefined): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom('webhooks')
    .where('owner_id', '=', ownerId)
    .where('id', '=', id)
    .$if(versions !== undefined, (query) => query.where(sql<SqlBool>`version = any(${versions}::int[])`))
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/**
 * Puts another secret in front of the one there is, which signs for some time yet; what was in front of that ends.
 * @returns when the one there was ends, or undefined when there is no such webhook
 */
export async function rotateSecret(trx: Transaction, ownerId: string, id: string, sealed: Buffer, hours: number): Promise<string | undefined> {
  const row = await trx
    .updateTable('webhooks')
    .set((eb) => ({
      secret: sealed,
      previous_secret: eb.ref('secret'),
      previous_secret_expires_at: sql<string>`now() + make_interval(hours => ${hours})`,
    }))
    .where('owner_id', '=', ownerId)
    .where('id', '=', id)
    .returning('previous_secret_expires_at')
    .executeTakeFirst()
  return row?.previous_secret_expires_at ?? undefined
}

export function findReceiver(db: Database, ownerId: string, id: string): Promise<ReceiverRow | undefined> {
  return db
    .selectFrom('webhooks')
    .innerJoin('users', 'users.id', 'webhooks.owner_id')
    .select([
      'webhooks.owner_id',
      'webhooks.id',
      'webhooks.url',
      'webhooks.secret',
      isSlow.as('slow'),
      sql<boolean>`webhooks.enabled and users.disabled_at is null`.as('enabled'),
      sql<Buffer | null>`case when webhooks.previous_secret_expires_at > now() then webhooks.previous_secret end`.as('previous_secret'),
    ])
    .where('webhooks.owner_id', '=', ownerId)
    .where('webhooks.id', '=', id)
    .executeTakeFirst()
}

/** Notes that a try took long, wherever the webhook leads by now: another URL must not make it quick. */
export async function markSlow(trx: Transaction, ownerId: string, id: string): Promise<void> {
  await trx.updateTable('webhooks').set({ slow_at: sql<string>`now()` }).where('owner_id', '=', ownerId).where('id', '=', id).execute()
}

/** It takes deliveries again: what was failing is not any more. */
export async function clearFailing(trx: Transaction, ownerId: string, id: string, url: string): Promise<void> {
  await trx
    .updateTable('webhooks')
    .set({ failing_since: null })
    .where('owner_id', '=', ownerId)
    .where('id', '=', id)
    .where('url', '=', url)
    .where('failing_since', 'is not', null)
    .execute()
}

/**
 * Notes that a delivery failed. The webhook is locked until this transaction ends.
 * @returns whether all have failed for so many days
 */
export async function markFailing(trx: Transaction, ownerId: string, id: string, url: string, days: number): Promise<boolean> {
  const row = await trx
    .updateTable('webhooks')
    .set({ failing_since: sql`coalesce(failing_since, now())` })
    .where('owner_id', '=', ownerId)
    .where('id', '=', id)
    .where('url', '=', url)
    .returning(sql<boolean>`failing_since <= now() - make_interval(days => ${days})`.as('failing'))
    .executeTakeFirst()
  return row?.failing ?? false
}

/** @returns whether it was enabled until now */
export async function disableWebhook(trx: Transaction, ownerId: string, id: string, url: string, reason: 'gone' | 'failing'): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('webhooks')
    .set((eb) => ({ enabled: false, disabled_reason: reason, updated_at: sql<string>`now()`, version: eb('version', '+', 1) }))
    .where('owner_id', '=', ownerId)
    .where('id', '=', id)
    .where('url', '=', url)
    .where('enabled', '=', true)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

/** Secrets that are sealed under a key with another id than this, the first 8 bytes, after a position in the order of owners and ids. */
export function listSecretsOfOtherKeys(
  db: Database,
  keyId: Buffer,
  after: Pick<SecretRow, 'owner_id' | 'id'> | undefined,
  limit: number,
): Promise<SecretRow[]> {
  return db
    .selectFrom('webhooks')
    .select(SECRET_COLUMNS)
    .where(sql<SqlBool>`(substring(secret from 1 for 8) <> ${keyId} or substring(previous_secret from 1 for 8) <> ${keyId})`)
    .$if(after !== undefined, (query) => query.where(sql<SqlBool>`(owner_id, id) > (${after?.owner_id}::uuid, ${after?.id}::uuid)`))
    .orderBy('owner_id')
    .orderBy('id')
    .limit(limit)
    .execute()
}

/** Replaces a sealed secret, wherever it stands by now. */
export async function replaceSealed(db: Database, ownerId: string, id: string, from: Buffer, to: Buffer): Promise<void> {
  await db
    .updateTable('webhooks')
    .set({
      secret: sql<Buffer>`case when secret = ${from} then ${to} else secret end`,
      previous_secret: sql<Buffer>`case when previous_secret = ${from} then ${to} else previous_secret end`,
    })
    .where('owner_id', '=', ownerId)
    .where('id', '=', id)
    .execute()
}

/** Forgets secrets that sign no more. */
export async function forgetExpiredSecrets(db: Database): Promise<void> {
  await db
    .updateTable('webhooks')
    .set({ previous_secret: null, previous_secret_expires_at: null })
    .where('previous_secret_expires_at', '<=', sql<string>`now()`)
    .execute()
}
