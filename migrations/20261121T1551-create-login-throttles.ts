import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create type login_throttle_kind as enum ('pair', 'address', 'account')`.execute(db)

  // Wrong passwords, each counted three times: for the account from the address, for the address, for the account. The key is an HMAC of which it is:
  // nothing that was typed is stored, and what belongs to no user is counted like what does.
  await sql`
    create table login_throttles (
      key        text                primary key check (char_length(key) = 43),
      kind       login_throttle_kind not null,
      failures   integer             not null check (failures >= 0),
      started_at timestamptz(3)      not null,
      tried_at   timestamptz(3)      not null
    )`.execute(db)
  // deleteForgottenTries
  await sql`create index login_throttles_tried_at_idx on login_throttles (tried_at)`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table login_throttles`.execute(db)
  await sql`drop type login_throttle_kind`.execute(db)
}
