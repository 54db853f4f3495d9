import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // The token itself is shown once; its secret is 256 random bits, so a plain SHA-256 is enough to keep.
  await sql`
    create table api_tokens (
      user_id      uuid           not null references users (id) on delete cascade,
      id           uuid           not null,
      name         text           not null check (char_length(name) between 1 and 100),
      secret_hash  bytea          not null check (octet_length(secret_hash) = 32),
      scopes       text[]         not null check (cardinality(scopes) > 0),
      created_at   timestamptz(3) not null,
      expires_at   timestamptz(3) not null,
      last_used_at timestamptz(3),
      primary key (user_id, id)
    )`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table api_tokens`.execute(db)
}
