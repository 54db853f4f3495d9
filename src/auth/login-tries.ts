import { sql } from 'kysely'
import type { LoginThrottleKind } from '../../generated/database.ts'
import type { Database } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'

/** What a wrong password is counted against. */
export type Tried = Readonly<{ key: string; kind: LoginThrottleKind }>

/** How many failures cost nothing, of an account from one address and of an address. An account alone is never closed. */
export type FreeFailures = Readonly<{ pair: number; address: number }>

const LONGEST_WAIT_SECONDS = 900

/**
 * Failures of an account from one address are forgotten a day after the last try, the others an hour after the first of them: an address of many people,
 * who mistype all the time, must not close for good.
 */
const isForgotten = sql<boolean>`
  case known.kind when 'pair' then known.tried_at < now() - interval '1 day' else known.started_at < now() - interval '1 hour' end`

/** Now, to the millisecond that is stored; rounded up, it would make every wait seem longer than it is. */
const moment = sql<string>`date_trunc('milliseconds', now())`

/** After the free failures, the next try must wait for 1, 2, 4 … seconds since the last, 15 minutes at most. */
const opensAt = ({ pair, address }: FreeFailures) => sql<string>`
  case
    when ${isForgotten} or known.kind = 'account' then '-infinity'
    when known.failures < case known.kind when 'pair' then ${pair}::int else ${address}::int end then '-infinity'
    else known.tried_at + make_interval(secs =>
      least(power(2, least(known.failures - case known.kind when 'pair' then ${pair}::int else ${address}::int end, 10)), ${LONGEST_WAIT_SECONDS}))
  end`

/** Both wait for whoever proves a password within a transaction, from the same address or for the same account. */
const WAITING = { slow: true } as const

const insert = prepared((_db, value: FreeFailures & { keys: string[]; kinds: LoginThrottleKind[] }) => {
  const open = opensAt(value)
  // All statements lock rows in the order of the key, so that none waits for another that waits for it.
  return sql<Tried & { failures: number }>`
    with tries as (select * from unnest(${value.keys}::text[], ${value.kinds}::text[]::login_throttle_kind[]) as t (key, kind))
    insert into login_throttles as known (key, kind, failures, started_at, tried_at)
    select key, kind, 1, ${moment}, ${moment} from tries
    where not exists (select from login_throttles as known where key in (select key from tries) and ${open} > now())
    order by key
    on conflict (key) do update set
      failures = case when ${isForgotten} then 1 else known.failures + 1 end,
      started_at = case when ${isForgotten} then ${moment} else known.started_at end,
      tried_at = ${moment}
    where ${open} <= now()
    returning key, kind, failures`
}, WAITING)

/**
 * Counts a try as failed before anybody knows, in one statement that is atomic: of many at once only as many get through as one after another would.
 * When one of the counts is closed none is raised, save in a race, in which the caller gives back those that are returned.
 */
export function insertTries(db: Database, tries: readonly Tried[], free: FreeFailures): Promise<(Tried & { failures: number })[]> {
  return insert.all(db, { ...free, keys: tries.map(({ key }) => key), kinds: tries.map(({ kind }) => kind) })
}

/** How many seconds it takes until none of the counts is closed any more. */
export async function secondsUntilOpen(db: Database, tries: readonly Tried[], free: FreeFailures): Promise<number> {
  const { rows } = await sql<{ seconds: number }>`
    select coalesce(max(ceil(extract(epoch from ${opensAt(free)} - now()))), 0)::float8 as seconds from login_throttles as known
    where key in (${sql.join(tries.map(({ key }) => key))}) and ${opensAt(free)} > now()`.execute(db)
  return Math.max(1, rows[0]?.seconds ?? 0)
}

const giveBack = prepared(
  (_db, value: { keys: string[]; succeeded: boolean }) => sql`
    with locked as (select key from login_throttles where key = any(${value.keys}::text[]) order by key for update)
    update login_throttles as known
    set failures = case when known.kind = 'pair' and ${value.succeeded}::boolean then 0 else greatest(known.failures - 1, 0) end
    from locked where known.key = locked.key`,
  WAITING,
)

/** Takes back what insertTries counted. @param succeeded forgets all failures of the account from this address */
export async function giveTriesBack(db: Database, tries: readonly Tried[], succeeded: boolean): Promise<void> {
  await giveBack.all(db, { keys: tries.map(({ key }) => key), succeeded })
}

/** Deletes what is forgotten anyway. Two may do so at once. */
export async function deleteForgottenTries(db: Database): Promise<void> {
  await sql`
    delete from login_throttles
    where key in (select key from login_throttles where tried_at < now() - interval '1 day' limit 10000 for update skip locked)`.execute(db)
}

/** Of a program that logs in all the time there are very many, and reading them all would take long: their ids are in the order of the logins. */
const LAST_LOGINS = 1000

const addresses = prepared(
  (db, value: { userId: string }) =>
    db
      .selectFrom((eb) =>
        eb
          .selectFrom('sessions')
          .select(['ip_address', 'created_at'])
          .where('user_id', '=', value.userId)
          .orderBy('id', 'desc')
          .limit(sql.lit(LAST_LOGINS))
          .as('last'),
      )
      .select('ip_address')
      .distinct()
      .where('created_at', '>', sql<string>`now() - interval '90 days'`),
  { slow: true },
)

/** From where the account has logged in within the last 90 days, as far as its last 1,000 logins tell. */
export async function findAddresses(db: Database, userId: string): Promise<(string | null)[]> {
  const rows = await addresses.all(db, { userId })
  return rows.map(({ ip_address }) => ip_address)
}
