import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create type mail_token_purpose as enum ('reset_password', 'verify_email', 'change_email')`.execute(db)

  // One row for each token that was mailed. The token is derived from the ids under a key that the database does not hold. A row that has become void
  // is kept until it is deleted with the expired ones, so that mails can be counted.
  await sql`
    create table mail_tokens (
      user_id    uuid               not null references users (id) on delete cascade,
      id         uuid               not null,
      purpose    mail_token_purpose not null,
      email      text               not null check (char_length(email) <= 254),
      created_at timestamptz(3)     not null default now(),
      expires_at timestamptz(3)     not null,
      primary key (user_id, id)
    )`.execute(db)
  // The nightly deletion.
  await sql`create index mail_tokens_by_expiry on mail_tokens (expires_at)`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table mail_tokens`.execute(db)
  await sql`drop type mail_token_purpose`.execute(db)
}
