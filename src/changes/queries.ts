import { type Selectable, sql } from 'kysely'
import type { Changes } from '../../generated/database.ts'
import type { Database } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'

const CHANGE_COLUMNS = ['sequence', 'type', 'resource_id', 'version', 'state', 'actor_id', 'occurred_at'] as const

export type ChangeRow = Pick<Selectable<Changes>, (typeof CHANGE_COLUMNS)[number]>

/** Up to which change of an owner those that were overtaken are gone; 0 while none are. */
export type Horizon = number

type Page = Readonly<{ horizon: Horizon; changes: ChangeRow[] }>

const pageAfter = prepared((db, value: { ownerId: string; after: number; limit: number }) =>
  db
    .selectFrom(
      sql<{ horizon: number }>`(select coalesce((select sequence from change_horizons where owner_id = ${value.ownerId}), 0) as horizon)`.as('known'),
    )
    .leftJoinLateral(
      (eb) =>
        eb
          .selectFrom('changes')
          .select(CHANGE_COLUMNS)
          .where('owner_id', '=', value.ownerId)
          .where('sequence', '>', value.after)
          .orderBy('sequence')
          .limit(value.limit)
          .as('next'),
      (join) => join.onTrue(),
    )
    .select(['known.horizon', ...CHANGE_COLUMNS.map((column) => `next.${column}` as const)])
    .orderBy('next.sequence'),
)

/** The owner's changes after one, and the horizon as it was at the same moment. */
export async function listChanges(db: Database, ownerId: string, after: number, limit: number): Promise<Page> {
  const rows = await pageAfter.all(db, { ownerId, after, limit })
  const changes = rows.filter((row): row is typeof row & ChangeRow => row.sequence !== null)
  return { horizon: rows[0]?.horizon ?? 0, changes }
}

const latest = prepared((db, value: { ownerIds: readonly string[] }) =>
  db.selectFrom(sql<{ owner_id: string }>`(select unnest(${value.ownerIds}::uuid[]) as owner_id)`.as('owners')).select((eb) => [
    'owners.owner_id',
    eb
      .selectFrom('changes')
      .whereRef('changes.owner_id', '=', 'owners.owner_id')
      .select((changes) => changes.fn.max('changes.sequence').as('last'))
      .as('sequence'),
  ]),
)

/** The number of the last change of each owner; 0 where there is none. */
export async function findLatestChanges(db: Database, ownerIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const rows = await latest.all(db, { ownerIds })
  return new Map(rows.map(({ owner_id, sequence }) => [owner_id, sequence ?? 0]))
}

/** The ids of users, in their order. */
export async function listOwners(db: Database, after: string | undefined, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('users')
    .select('id')
    .$if(after !== undefined, (query) => query.where('id', '>', String(after)))
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(({ id }) => id)
}

/** Whether anything of the owner's that nobody has looked at yet is from before an instant. */
export async function hasChangesBefore(db: Database, ownerId: string, before: string): Promise<boolean> {
  const { rows } = await sql<{ old: boolean }>`
    select occurred_at < ${before}::timestamptz as old from changes
    where owner_id = ${ownerId} and sequence > coalesce((select sequence from change_horizons where owner_id = ${ownerId}), 0)
    order by sequence limit 1`.execute(db)
  return rows[0]?.old === true
}

/**
 * Forgets some of the owner's changes from before an instant, those that were overtaken and deletions, the oldest first, and moves their horizon on. The
 * last change of all stays: the next number follows from it.
 * @returns how many
 */
export async function compactChanges(db: Database, ownerId: string, before: string, limit: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    with latest as (
      select resource_id, max(sequence) as sequence from changes where owner_id = ${ownerId} group by resource_id
    ), chosen as (
      select changes.sequence from changes join latest using (resource_id)
      where owner_id = ${ownerId} and occurred_at < ${before}::timestamptz and (changes.sequence < latest.sequence or state is null)
        and changes.sequence < (select max(sequence) from latest)
      order by changes.sequence limit ${limit}
    ), forgotten as (
      delete from changes using chosen where owner_id = ${ownerId} and changes.sequence = chosen.sequence returning changes.sequence
    ), moved as (
      insert into change_horizons (owner_id, sequence)
      select ${ownerId}::uuid, max(sequence) from forgotten having count(*) > 0
      on conflict (owner_id) do update set sequence = greatest(change_horizons.sequence, excluded.sequence)
    )
    select count(*) as count from forgotten`.execute(db)
  return Number(rows[0]?.count)
}
