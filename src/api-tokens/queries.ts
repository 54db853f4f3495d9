import { type Insertable, type Selectable, sql } from 'kysely'
import type { ApiTokens, UserRole } from '../../generated/database.ts'
import type { Database, Transaction } from '../database/database.ts'
import { NOTIFICATION_CHANNEL } from '../database/notifications.ts'
import { prepared } from '../database/prepared.ts'

const API_TOKEN_COLUMNS = ['id', 'name', 'scopes', 'created_at', 'expires_at', 'last_used_at'] as const

export type ApiTokenRow = Pick<Selectable<ApiTokens>, (typeof API_TOKEN_COLUMNS)[number]>

type LiveApiTokenRow = Readonly<{ secret_hash: Buffer; scopes: string[]; expires_at: string; role: UserRole; email_verified_at: string | null }>

const findLive = prepared((db, value: { userId: string; id: string }) =>
  db
    .selectFrom('api_tokens')
    .innerJoin('users', 'users.id', 'api_tokens.user_id')
    .select(['api_tokens.secret_hash', 'api_tokens.scopes', 'api_tokens.expires_at', 'users.role', 'users.email_verified_at'])
    .where('api_tokens.user_id', '=', value.userId)
    .where('api_tokens.id', '=', value.id)
    .where('api_tokens.expires_at', '>', sql<string>`now()`)
    .where('users.disabled_at', 'is', null),
)

/** An API token that has not expired, of a user who is not disabled. */
export function findLiveApiToken(db: Database, userId: string, id: string): Promise<LiveApiTokenRow | undefined> {
  return findLive.first(db, { userId, id })
}

/** The user's API tokens after a position, in the order of their creation. */
export function listApiTokens(db: Database, userId: string, afterId: string | undefined, limit: number): Promise<ApiTokenRow[]> {
  return db
    .selectFrom('api_tokens')
    .select(API_TOKEN_COLUMNS)
    .where('user_id', '=', userId)
    .$if(afterId !== undefined, (query) => query.where('id', '>', String(afterId)))
    .orderBy('id')
    .limit(limit)
    .execute()
}

export async function countApiTokens(trx: Transaction, userId: string): Promise<number> {
  const { count } = await trx
    .selectFrom('api_tokens')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('user_id', '=', userId)
    .executeTakeFirstOrThrow()
  return Number(count)
}

export function insertApiToken(trx: Transaction, token: Insertable<ApiTokens>): Promise<ApiTokenRow> {
  return trx.insertInto('api_tokens').values(token).returning(API_TOKEN_COLUMNS).executeTakeFirstOrThrow()
}

/**
 * Deletes an API token; the caches of all instances hear of it with the commit.
 * @returns whether there was one
 */
export async function deleteApiToken(trx: Transaction, userId: string, id: string): Promise<boolean> {
  const { rows } = await sql`
    with deleted as (delete from api_tokens where user_id = ${userId} and id = ${id} returning id)
    select pg_notify(${NOTIFICATION_CHANNEL}, 'api-token:' || id::text) from deleted`.execute(trx)
  return rows.length > 0
}
