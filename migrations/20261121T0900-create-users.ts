import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create type user_role as enum ('user', 'admin')`.execute(db)

  await sql`
    create table users (
      id                uuid           primary key,
      email             text           not null check (char_length(email) <= 254),
      email_verified_at timestamptz(3),
      username          text           not null check (char_length(username) <= 32),
      password_hash     text           not null check (char_length(password_hash) <= 255),
      role              user_role      not null default 'user',
      time_zone         text           not null default 'UTC' check (now() at time zone time_zone is not null),
      disabled_at       timestamptz(3),
      created_at        timestamptz(3) not null default now(),
      updated_at        timestamptz(3) not null default now()
    )`.execute(db)
  // register, login, updateMe: unique without regard to case. Both hold ASCII only, so lower() is the same under every collation.
  await sql`create unique index users_email_key on users (lower(email))`.execute(db)
  await sql`create unique index users_username_key on users (lower(username))`.execute(db)

  // One row a session. The refresh token is derived from its id and refresh_counter under a key that the database does not hold.
  await sql`
    create table sessions (
      user_id         uuid           not null references users (id) on delete cascade,
      id              uuid           not null,
      scopes          text[]         not null,
      refresh_counter integer        not null default 0 check (refresh_counter >= 0),
      rotated_at      timestamptz(3) not null default now(),
      idle_expires_at timestamptz(3) not null,
      expires_at      timestamptz(3) not null,
      revoked_at      timestamptz(3),
      user_agent      text           check (char_length(user_agent) <= 255),
      ip_address      text           check (char_length(ip_address) <= 45),
      created_at      timestamptz(3) not null default now(),
      primary key (user_id, id)
    )`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table sessions`.execute(db)
  await sql`drop table users`.execute(db)
  await sql`drop type user_role`.execute(db)
}
