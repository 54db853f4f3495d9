import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // The primary key serves every operation on one list, and listLists in the order of creation (ids are UUIDs of version 7).
  // Counts change with every task: room on the page (fillfactor) and no index on them keep those updates cheap (HOT).
  await sql`
    create table lists (
      owner_id        uuid           not null references users (id) on delete cascade,
      id              uuid           not null,
      title           text           not null check (char_length(title) between 1 and 255),
      description     text           check (char_length(description) <= 2000),
      inbox           boolean        not null default false,
      open_tasks      integer        not null default 0 check (open_tasks >= 0),
      completed_tasks integer        not null default 0 check (completed_tasks >= 0),
      version         integer        not null default 1,
      created_at      timestamptz(3) not null default now(),
      updated_at      timestamptz(3) not null default now(),
      primary key (owner_id, id)
    ) with (fillfactor = 80)`.execute(db)
  // createTask without a list: everybody has exactly one inbox.
  await sql`create unique index lists_inbox_key on lists (owner_id) where inbox`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table lists`.execute(db)
}
