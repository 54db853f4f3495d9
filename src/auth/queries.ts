import { type Selectable, sql } from 'kysely'
import type { Sessions, UserRole } from '../../generated/database.ts'
import { AUDIT_COLUMNS, type AuditEventRow } from '../audit/queries.ts'
import type { Database, Transaction } from '../database/database.ts'
import { BRIEFLY } from '../database/locks.ts'
import { NOTIFICATION_CHANNEL } from '../database/notifications.ts'
import { prepared } from '../database/prepared.ts'
import type { UserWithPassword } from '../users/queries.ts'
import type { LastUse } from './last-uses.ts'

export type LiveSessionRow = Readonly<{
  scopes: string[]
  role: UserRole
  email_verified_at: string | null
  expires_at: string
}>

type NewSession = Pick<Selectable<Sessions>, 'id' | 'scopes' | 'idle_expires_at' | 'expires_at' | 'user_agent' | 'ip_address'>

const findLive = prepared((db, value: { userId: string; id: string }) =>
  db
    .selectFrom('sessions')
    .innerJoin('users', 'users.id', 'sessions.user_id')
    .select(['sessions.scopes', 'sessions.expires_at', 'users.role', 'users.email_verified_at'])
    .where('sessions.user_id', '=', value.userId)
    .where('sessions.id', '=', value.id)
    .where('sessions.revoked_at', 'is', null)
    .where('sessions.expires_at', '>', sql<string>`now()`)
    .where('users.disabled_at', 'is', null),
)

/** A session that has neither ended nor expired, of a user who is not disabled. */
export function findLiveSession(db: Database, userId: string, id: string): Promise<LiveSessionRow | undefined> {
  return findLive.first(db, { userId, id })
}

const auditColumns = sql.join(AUDIT_COLUMNS.map((column) => sql.ref(column)))

const insertLogin = prepared(
  (_db, value: { userId: string; hash: string; session: string; event: string }) => sql<{ id: string }>`
    with account as (
      select id as user_id from users
      where id = ${value.userId}::uuid and password_hash = ${value.hash} and disabled_at is null
        and set_config('lock_timeout', ${sql.lit(BRIEFLY)}, true) is not null
      for share
    ), session as (
      insert into sessions (user_id, id, scopes, idle_expires_at, expires_at, user_agent, ip_address)
      select account.user_id, id, scopes, idle_expires_at, expires_at, user_agent, ip_address
      from account, jsonb_populate_record(null::sessions, ${value.session}::jsonb)
      returning id as started
    )
    insert into audit_events (${auditColumns}) select ${auditColumns} from session, jsonb_populate_record(null::audit_events, ${value.event}::jsonb)
    returning id`,
  { slow: true },
)

/**
 * Inserts a session, and the event that tells of it, in one statement. What changes the password, disables or deletes the user waits until this is
 * committed and then sees the session, or this sees what it did (test/security/account-races.test.ts). It waits for the user's lock as briefly as
 * waitingBriefly does; in a transaction, so does what follows.
 * @returns false, and nothing is inserted, if the user is disabled or gone, or has another password by now
 */
export async function insertSession(
  db: Database,
  { id, password_hash }: Pick<UserWithPassword, 'id' | 'password_hash'>,
  session: NewSession,
  event: AuditEventRow,
): Promise<boolean> {
  const inserted = await insertLogin.first(db, { userId: id, hash: password_hash, session: JSON.stringify(session), event: JSON.stringify(event) })
  return inserted !== undefined
}

/** Moves the counter on, if the token is the newest one and the session lives. */
export function updateRefreshCounter(
  db: Database,
  userId: string,
  id: string,
  counter: number,
  idleSeconds: number,
): Promise<Pick<Selectable<Sessions>, 'refresh_counter' | 'scopes'> | undefined> {
  return db
    .updateTable('sessions')
    .set({
      rotated_at: sql`now()`,
      last_used_at: sql`now()`,
      idle_expires_at: sql`now() + make_interval(secs => ${idleSeconds})`,
    })
    .set((eb) => ({ refresh_counter: eb('refresh_counter', '+', 1) }))
    .where('user_id', '=', userId)
    .where('id', '=', id)
    .where('refresh_counter', '=', counter)
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', sql<string>`now()`)
    .where('idle_expires_at', '>', sql<string>`now()`)
    .where((eb) => eb.exists(eb.selectFrom('users').whereRef('users.id', '=', 'sessions.user_id').where('disabled_at', 'is', null)))
    .returning(['refresh_counter', 'scopes'])
    .executeTakeFirst()
}

/**
 * Notes when sessions, or API tokens, were last used; one that was used later since stays as it is. So does one that somebody else is changing: whoever
 * ends sessions, or deletes a user for seconds, neither makes this wait nor runs into a deadlock with it.
 */
export async function updateLastUses(db: Database, table: 'sessions' | 'api_tokens', uses: readonly LastUse[]): Promise<void> {
  await sql`
    with free as (
      select used.user_id, used.id, use.at
      from ${sql.table(table)} as used
      join unnest(${uses.map(({ userId }) => userId)}::uuid[], ${uses.map(({ id }) => id)}::uuid[], ${uses.map(({ at }) => at)}::timestamptz[])
        as use (user_id, id, at) on used.user_id = use.user_id and used.id = use.id
      where coalesce(used.last_used_at, '-infinity') < use.at
      for no key update of used skip locked
    )
    update ${sql.table(table)} as used set last_used_at = free.at from free where used.user_id = free.user_id and used.id = free.id`.execute(db)
}

/**
 * What an old refresh token does to its session: nothing if it is the last one and was replaced within the grace, else it
 * ends the session, and the caches of all instances hear of it.
 * @returns undefined when the token is not an old one of a live session
 */
export async function updateReusedSession(
  db: Database,
  userId: string,
  id: string,
  counter: number,
  graceSeconds: number,
): Promise<Pick<Selectable<Sessions>, 'refresh_counter' | 'scopes' | 'revoked_at'> | undefined> {
  const { rows } = await sql<Pick<Selectable<Sessions>, 'refresh_counter' | 'scopes' | 'revoked_at'>>`
    with reused as (
      update sessions
      set revoked_at = case
        when refresh_counter = ${counter + 1}::int and rotated_at > now() - make_interval(secs => ${graceSeconds}) then null else now() end
      where user_id = ${userId} and id = ${id} and refresh_counter > ${counter} and revoked_at is null and expires_at > now()
      returning id, refresh_counter, scopes, revoked_at
    )
    select refresh_counter, scopes, revoked_at,
      case when revoked_at is not null then pg_notify(${NOTIFICATION_CHANNEL}, 'session:' || id::text) end
    from reused`.execute(db)
  return rows[0]
}

/**
 * Ends a session; the caches of all instances hear of it with the commit.
 * @returns whether it was live
 */
export async function revokeSession(trx: Transaction, userId: string, id: string): Promise<boolean> {
  const { rows } = await sql`
    with revoked as (
      update sessions set revoked_at = now() where user_id = ${userId} and id = ${id} and revoked_at is null returning id
    )
    select pg_notify(${NOTIFICATION_CHANNEL}, 'session:' || id::text) from revoked`.execute(trx)
  return rows.length > 0
}

/** Ends all sessions of a user, save one if it is named. The caches of all instances hear of it with the commit. */
export async function revokeSessions(trx: Transaction, userId: string, exceptId?: string): Promise<void> {
  await trx
    .updateTable('sessions')
    .set({ revoked_at: sql`now()` })
    .where('user_id', '=', userId)
    .where('revoked_at', 'is', null)
    .$if(exceptId !== undefined, (query) => query.where('id', '<>', String(exceptId)))
    .execute()
  await announceUser(trx, userId)
}

/**
 * Deletes sessions that ended more than 30 days ago, whether by a logout or by themselves.
 * @returns how many
 */
export async function deleteEndedSessions(db: Database, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from sessions where (user_id, id) in (
      select user_id, id from sessions where least(expires_at, idle_expires_at, revoked_at) < now() - interval '30 days' limit ${limit}
    )`.execute(db)
  return Number(numAffectedRows)
}

/**
 * Ends all API tokens of a user. The caches of all instances hear of it when the user is announced.
 * @returns whether there were any
 */
export async function deleteApiTokens(trx: Transaction, userId: string): Promise<boolean> {
  const { numDeletedRows } = await trx.deleteFrom('api_tokens').where('user_id', '=', userId).executeTakeFirstOrThrow()
  return numDeletedRows > 0n
}

/** Disables all webhooks of a user, who may have millions of deliveries: to delete those as well would take long. @returns their ids */
export async function disableWebhooks(trx: Transaction, userId: string): Promise<string[]> {
  // One that is being enabled counts as disabled until that is committed, and who would enable one from now on waits (test/security/account-races.test.ts).
  await trx.selectFrom('webhooks').select('id').where('owner_id', '=', userId).orderBy('id').forNoKeyUpdate().execute()
  const rows = await trx
    .updateTable('webhooks')
    .set((eb) => ({ enabled: false, updated_at: sql<string>`now()`, version: eb('version', '+', 1) }))
    .where('owner_id', '=', userId)
    .where('enabled', '=', true)
    .returning('id')
    .execute()
  return rows.map(({ id }) => id)
}

/** Has all instances forget what they remember of a user, once this transaction is committed. */
export async function announceUser(trx: Transaction, userId: string): Promise<void> {
  await sql`select pg_notify(${NOTIFICATION_CHANNEL}, ${`user:${userId}`})`.execute(trx)
}
