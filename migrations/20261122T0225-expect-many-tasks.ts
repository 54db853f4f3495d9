import { type Kysely, sql } from 'kysely'

/**
 * The one plan of a prepared statement is made for what users have on average. That is little, and fits those with much badly: it reads all of their tasks
 * and sorts them, or all of their lists for one. So PostgreSQL is told that some twenty users have all tasks, in a thousand lists; where it knows of users
 * or lists that have many, it expects no more of anybody. Whoever has little is served as quickly by the same plan. Read by `analyze`.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table tasks alter column owner_id set (n_distinct = 20), alter column list_id set (n_distinct = 1000)`.execute(db)
  await sql`analyze tasks`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`alter table tasks alter column owner_id reset (n_distinct), alter column list_id reset (n_distinct)`.execute(db)
  await sql`analyze tasks`.execute(db)
}
