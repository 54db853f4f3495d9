import { sql } from 'kysely'
import type { Database, Transaction } from './database.ts'

/** What is there cannot be moved to where it is to go; the message says why. */
export class UnmovableError extends Error {}

export type MovedTable = Readonly<{ name: string; rows: number; checksum: string }>

type Table = Readonly<{
  /** As SQL may have it: with its schema where it needs one, and quoted. */
  name: string
  /** All of them, by name; the two databases may have added them in another order. */
  columns: readonly string[]
  /** Those that are not computed from others, with their types. */
  stored: readonly string[]
  types: readonly string[]
  /** The tables that its foreign keys lead to. */
  parents: readonly string[]
}>

/** What a new schema has rows in, which say what it is and not what is kept in it; and statistics in partitions by day. */
const BOOKKEEPING = ['kysely_migration', 'kysely_migration_lock', 'pgboss.version', 'pgboss.bam', 'pgboss.queue_stats']

/** Rows are moved so many at a time; one may have some 100 kB. */
const BATCH = 500

/**
 * Refuses a database that holds anything.
 * @throws UnmovableError
 */
export async function requireEmpty(db: Database): Promise<void> {
  for (const { name } of await tablesOf(db)) {
    const { rows } = await sql`select from ${sql.raw(name)} limit 1`.execute(db)
    if (rows.length > 0) throw new UnmovableError(`The database of DATABASE_URL is not empty: ${name} has rows. Name a new database.`)
  }
}

/**
 * Refuses to move between different schemas, ours or that of the jobs.
 * @throws UnmovableError
 */
export async function requireSameSchema(source: Database, target: Database): Promise<void> {
  const [from, to] = [await schemaOf(source), await schemaOf(target)]
  if (from !== to) {
    throw new UnmovableError(
      `The embedded database has the schema of another version of Docket (${from}) than this one (${to}). ` +
        'Bring it up to date first: run "npm run migrate" without DATABASE_URL.',
    )
  }
}

/**
 * Copies every row to a database that is empty and has the same schema: everything or nothing. What was copied is compared before it is committed. It
 * needs no more rights than to own the tables: our triggers are off meanwhile, since what they would write is copied as well, and foreign keys hold.
 * @throws UnmovableError
 */
export async function moveRows(source: Database, target: Database): Promise<MovedTable[]> {
  return source
    .transaction()
    .setAccessMode('read only')
    .execute((from) => target.transaction().execute((to) => copyRows(from, to)))
}

async function copyRows(from: Transaction, to: Transaction): Promise<MovedTable[]> {
  for (const trx of [from, to]) {
    // What the text of a value depends on.
    await sql`set local timezone = 'UTC'`.execute(trx)
    await sql`set local datestyle = 'ISO'`.execute(trx)
    await sql`set local intervalstyle = 'postgres'`.execute(trx)
    await sql`set local bytea_output = 'hex'`.execute(trx)
    await sql`set local extra_float_digits = 1`.execute(trx)
  }
  const tables = parentsFirst(await tablesOf(from))
  // A server that was started on it too early can write nothing from here on, and has written nothing.
  await sql`lock table ${sql.join(tables.map(({ name }) => sql.raw(name)))} in access exclusive mode`.execute(to)
  await requireEmpty(to)
  // A table with checks yet to be made cannot be altered.
  await sql`set constraints all immediate`.execute(to)
  for (const { name } of tables) await sql`alter table ${sql.raw(name)} disable trigger user`.execute(to)
  for (const table of tables) await copyTable(table, from, to)
  for (const { name } of tables) await sql`alter table ${sql.raw(name)} enable trigger user`.execute(to)

  const moved: MovedTable[] = []
  for (const table of tables) {
    const [before, after] = [await summaryOf(table, from), await summaryOf(table, to)]
    if (before.rows !== after.rows || before.checksum !== after.checksum) {
      throw new UnmovableError(`${table.name} did not arrive as it was: ${before.rows} rows were read, ${after.rows} are there. Nothing was kept.`)
    }
    moved.push({ name: table.name, ...after })
  }
  await sql`analyze`.execute(to)
  return moved
}

async function copyTable({ name, stored, types }: Table, from: Transaction, to: Transaction): Promise<void> {
  const columns = stored.map((column) => sql.ref(column))
  const texts = columns.map((column) => sql`${column}::text`)
  await sql`declare moving no scroll cursor for select array[${sql.join(texts)}] as values from ${sql.raw(name)}`.execute(from)
  for (;;) {
    const { rows } = await sql<{ values: (string | null)[] }>`fetch ${sql.raw(String(BATCH))} from moving`.execute(from)
    if (rows.length === 0) break
    const arrays = stored.map((_, index) => sql`${rows.map(({ values }) => values[index])}::text[]`)
    const values = columns.map((column, index) => sql`${column}::${sql.raw(String(types[index]))}`)
    await sql`
      insert into ${sql.raw(name)} (${sql.join(columns)})
      select ${sql.join(values)} from unnest(${sql.join(arrays)}) as moved (${sql.join(columns)})`.execute(to)
  }
  await sql`close moving`.execute(from)
}

/** How many rows a table has, and a checksum of them that does not depend on their order. */
async function summaryOf({ name, columns }: Table, db: Database): Promise<Omit<MovedTable, 'name'>> {
  const row = sql.join(columns.map((column) => sql.ref(column)))
  const { rows } = await sql<Omit<MovedTable, 'name'>>`
    select count(*) as rows, left(md5(coalesce(sum(('x' || left(md5(row(${row})::text), 16))::bit(64)::bigint), 0)::text), 16) as checksum
    from ${sql.raw(name)}`.execute(db)
  return rows[0] ?? { rows: 0, checksum: '' }
}

/** Tables with rows of users, and of jobs. Partitions are part of the table that they belong to. */
async function tablesOf(db: Database): Promise<Table[]> {
  const columns = (what: string, condition = '') => sql`
    array(
      select ${sql.raw(what)} from pg_attribute
      where attrelid = pg_class.oid and attnum > 0 and not attisdropped ${sql.raw(condition)}
      order by attname)`
  const { rows } = await sql<Table>`
    select
      pg_class.oid::regclass::text as name,
      ${columns('attname::text')} as columns,
      ${columns('attname::text', "and attgenerated = ''")} as stored,
      ${columns('format_type(atttypid, atttypmod)', "and attgenerated = ''")} as types,
      array(
        select distinct confrelid::regclass::text from pg_constraint
        where contype = 'f' and coalesce(pg_partition_root(conrelid), conrelid) = pg_class.oid and confrelid <> pg_class.oid) as parents
    from pg_class
    where relkind in ('r', 'p') and not relispartition and relnamespace::regnamespace::text in ('public', 'pgboss')
      and pg_class.oid::regclass::text <> all (${BOOKKEEPING})
    order by 1`.execute(db)
  return rows
}

function parentsFirst(tables: readonly Table[]): Table[] {
  const sorted = new Set<Table>()
  const add = (table: Table) => {
    for (const parent of tables.filter(({ name }) => table.parents.includes(name))) if (!sorted.has(parent)) add(parent)
    sorted.add(table)
  }
  for (const table of tables) add(table)
  return [...sorted]
}

/** The newest migration and the version of the jobs, such as `20261121T1930-create-webhooks, pgboss-43`; `none` where nothing has run. */
async function schemaOf(db: Database): Promise<string> {
  const { rows: found } = await sql`select where to_regclass('kysely_migration') is not null and to_regclass('pgboss.version') is not null`.execute(
    db,
  )
  if (found.length === 0) return 'none'
  const { rows } = await sql<{ name: string }>`
    select max(name) || ', pgboss-' || (select version from pgboss.version) as name from kysely_migration`.execute(db)
  return rows[0]?.name ?? 'none'
}
