import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // The nightly deletions. Audit events lie in the order of their time, so the smallest kind of index is enough.
  await sql`create index sessions_by_end on sessions (least(expires_at, idle_expires_at, revoked_at))`.execute(db)
  await sql`create index audit_events_by_time on audit_events using brin (occurred_at)`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop index audit_events_by_time`.execute(db)
  await sql`drop index sessions_by_end`.execute(db)
}
