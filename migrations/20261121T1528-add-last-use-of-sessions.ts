import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // To the minute: noted beside the requests, not by each.
  await sql`alter table sessions add column last_used_at timestamptz(3) not null default now()`.execute(db)
  await sql`update sessions set last_used_at = rotated_at`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`alter table sessions drop column last_used_at`.execute(db)
}
