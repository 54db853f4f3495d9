import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // When a try last took long: such webhooks get no place among those that are quick.
  await sql`alter table webhooks add column slow_at timestamptz(3)`.execute(db)
  // How many each webhook has.
  await sql`create index webhook_deliveries_queued on webhook_deliveries (owner_id, webhook_id) where status = 'queued'`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop index webhook_deliveries_queued`.execute(db)
  await sql`alter table webhooks drop column slow_at`.execute(db)
}
