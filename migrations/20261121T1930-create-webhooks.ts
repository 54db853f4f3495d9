import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create type webhook_disabled_reason as enum ('gone', 'failing')`.execute(db)
  await sql`create type webhook_delivery_status as enum ('waiting', 'queued', 'retrying', 'delivered', 'failed', 'dropped')`.execute(db)

  // The secrets are sealed under a key that the database does not hold. The previous one signs as well until it expires.
  await sql`
    create table webhooks (
      owner_id                   uuid           not null references users (id) on delete cascade,
      id                         uuid           not null,
      url                        text           not null check (char_length(url) <= 2048),
      description                text           check (char_length(description) <= 255),
      events                     text[]         not null check (cardinality(events) > 0),
      enabled                    boolean        not null default true,
      disabled_reason            webhook_disabled_reason check (disabled_reason is null or not enabled),
      secret                     bytea          not null,
      previous_secret            bytea,
      previous_secret_expires_at timestamptz(3),
      failing_since              timestamptz(3),
      version                    integer        not null default 1,
      created_at                 timestamptz(3) not null,
      updated_at                 timestamptz(3) not null,
      primary key (owner_id, id)
    )`.execute(db)

  // What is sent to a webhook, and the last try of it. It holds the change itself, which may be gone from the log of changes before it is delivered.
  // Waiting ones have no job yet, queued and retrying ones have. A redelivery is another round: the jobs of those before have nothing to do any more.
  await sql`
    create table webhook_deliveries (
      owner_id        uuid                    not null,
      webhook_id      uuid                    not null,
      id              uuid                    not null,
      type            text                    not null,
      resource_id     uuid                    not null,
      version         integer                 not null,
      state           json,
      actor_id        uuid,
      occurred_at     timestamptz(3)          not null,
      status          webhook_delivery_status not null default 'waiting',
      round           integer                 not null default 1,
      tries           integer                 not null default 0,
      tried_at        timestamptz(3),
      request_url     text,
      request_headers text[]                  not null default '{}',
      response_status integer,
      response_body   text,
      milliseconds    integer,
      error           text,
      created_at      timestamptz(3)          not null default now(),
      primary key (owner_id, webhook_id, id),
      foreign key (owner_id, webhook_id) references webhooks (owner_id, id) on delete cascade
    )`.execute(db)
  await sql`create index webhook_deliveries_waiting on webhook_deliveries (owner_id, id) where status = 'waiting'`.execute(db)
  // The nightly deletion.
  await sql`create index webhook_deliveries_by_creation on webhook_deliveries (created_at)`.execute(db)

  // A UUID of version 7 (RFC 9562 §5.7): the milliseconds of the clock in front of a random one.
  await sql`
    create function webhook_delivery_id() returns uuid language sql volatile as $$
      select encode(
        set_bit(set_bit(
          overlay(uuid_send(gen_random_uuid()) placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),
        52, 1), 53, 1), 'hex')::uuid
    $$`.execute(db)

  // In the transaction of the change, so that no kill in between loses it. Whoever has no webhook pays for one look into an index. The lock keeps a webhook
  // that is being deleted from failing the change; it waits for that deletion alone, which waits for nobody who writes.
  await sql`
    create function changes_deliver() returns trigger language plpgsql as $$
    declare
      webhook record;
    begin
      for webhook in
        select owner_id, id, events from webhooks
        where owner_id = any (array(select distinct owner_id from written)) and enabled
        order by owner_id, id for key share
      loop
        insert into webhook_deliveries (owner_id, webhook_id, id, type, resource_id, version, state, actor_id, occurred_at)
        select webhook.owner_id, webhook.id, webhook_delivery_id(), type::text, resource_id, version, state, actor_id, occurred_at
        from written
        where owner_id = webhook.owner_id and type::text = any (webhook.events)
        order by sequence;
      end loop;
      return null;
    end $$`.execute(db)
  await sql`
    create trigger changes_deliver after insert on changes referencing new table as written
    for each statement execute function changes_deliver()`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop trigger changes_deliver on changes`.execute(db)
  await sql`drop function changes_deliver(), webhook_delivery_id()`.execute(db)
  await sql`drop table webhook_deliveries, webhooks`.execute(db)
  await sql`drop type webhook_delivery_status`.execute(db)
  await sql`drop type webhook_disabled_reason`.execute(db)
}
