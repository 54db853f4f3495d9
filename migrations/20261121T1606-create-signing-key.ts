import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // One row: the id of the key that signs tokens, so that an instance with other keys is refused at its start.
  await sql`
    create table signing_key (
      singleton  boolean        primary key default true check (singleton),
      key_id     text           not null check (char_length(key_id) <= 64),
      changed_at timestamptz(3) not null default now()
    )`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table signing_key`.execute(db)
}
