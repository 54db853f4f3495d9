import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // What was answered to requests with an Idempotency-Key. The answers may hold secrets, so they are sealed under a key that the database does not hold,
  // and so are the fingerprints of the requests. It has no foreign key to users, for the reason that changes has none; users_forget_idempotency_records
  // stands for it.
  await sql`
    create table idempotency_records (
      user_id     uuid           not null,
      operation   text           not null check (char_length(operation) <= 64),
      key         text           not null check (char_length(key) <= 255),
      fingerprint bytea          not null check (length(fingerprint) = 32),
      answer      bytea          not null,
      created_at  timestamptz(3) not null default now(),
      primary key (user_id, operation, key)
    )`.execute(db)
  // The hourly deletion.
  await sql`create index idempotency_records_by_age on idempotency_records (created_at)`.execute(db)

  await sql`
    create function users_forget_idempotency_records() returns trigger language plpgsql as $$
    begin
      delete from idempotency_records where user_id = old.id;
      return null;
    end $$`.execute(db)
  await sql`
    create trigger users_forget_idempotency_records after delete on users
    for each row execute function users_forget_idempotency_records()`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop trigger users_forget_idempotency_records on users`.execute(db)
  await sql`drop function users_forget_idempotency_records()`.execute(db)
  await sql`drop table idempotency_records`.execute(db)
}
