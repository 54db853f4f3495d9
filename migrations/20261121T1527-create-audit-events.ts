import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // What was done to accounts, by whom and from where. No foreign keys: an event outlives whoever it is about.
  // user_id is whom it concerns, actor_id who did it; neither is known when somebody fails to log in under a name that is nobody's.
  await sql`
    create table audit_events (
      id             uuid           primary key,
      occurred_at    timestamptz(3) not null,
      action         text           not null check (char_length(action) <= 64),
      operation      text           check (char_length(operation) <= 64),
      user_id        uuid,
      actor_id       uuid,
      session_id     uuid,
      api_token_id   uuid,
      object_id      uuid,
      changed_fields text[]         not null default '{}',
      ip_address     text           check (char_length(ip_address) <= 45),
      user_agent     text           check (char_length(user_agent) <= 255),
      request_id     text           check (char_length(request_id) <= 128)
    )`.execute(db)
  // listAuditEvents, newest first: those of an action, and those that a user did or that were done to them.
  await sql`create index audit_events_by_action on audit_events (action, id)`.execute(db)
  await sql`create index audit_events_by_user on audit_events (user_id, id)`.execute(db)
  await sql`create index audit_events_by_actor on audit_events (actor_id, id)`.execute(db)

  // Append-only: only the job that ends their retention says docket.audit_retention, and only in its own transaction.
  await sql`
    create function audit_events_are_kept() returns trigger language plpgsql as $$
    begin
      if tg_op = 'DELETE' and current_setting('docket.audit_retention', true) = 'on' then return old; end if;
      raise exception 'audit events are only ever added';
    end $$`.execute(db)
  await sql`
    create trigger audit_events_are_kept before update or delete on audit_events
    for each row execute function audit_events_are_kept()`.execute(db)
  await sql`
    create trigger audit_events_are_not_truncated before truncate on audit_events
    for each statement execute function audit_events_are_kept()`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table audit_events`.execute(db)
  await sql`drop function audit_events_are_kept()`.execute(db)
}
