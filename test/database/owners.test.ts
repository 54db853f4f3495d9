import { sql } from 'kysely'
import t from 'tap'
import { startApp } from '../support/app.ts'

/** The columns that name whose row it is, where they may not be null. A user's own row is theirs by its id. */
const OWNER_COLUMNS = ['owner_id', 'user_id']

/** Tables without an owner, each with the reason why it has none. */
const GLOBAL: Readonly<Record<string, string>> = {
  audit_events: 'what admins read of everybody: it outlives its user, and some of it is of nobody',
  kysely_migration: 'the migrations that have run',
  kysely_migration_lock: 'the lock of those',
  login_throttles: 'counts tries before anybody is known, also for accounts that do not exist',
  signing_key: 'one row: the key of all instances',
}

/** Keys without an owner in tables that have one, each with the reason. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'users: users_email_key (lower(email))': 'unique among everybody, and looked up before it is known who logs in',
  'users: users_username_key (lower(username))': 'likewise',
}

type Key = Readonly<{ table: string; name: string; columns: readonly string[]; expressions: string }>
type ForeignKey = Readonly<{ name: string; table: string; columns: readonly string[]; parent: string; parent_columns: readonly string[] }>

t.test('the schema can be sharded by owner', async (t) => {
  const { context } = await startApp(t)
  const rowsOf = async <Row>(query: ReturnType<typeof sql<Row>>) => (await query.execute(context.db)).rows
  const tables = await rowsOf(sql<{ table: string; columns: string[] }>`
    select relname as table, array(select attname::text from pg_attribute where attrelid = pg_class.oid and attnotnull and not attisdropped) as columns
    from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace order by 1`)
  const ownerOf = new Map(
    tables.map(({ table, columns }) => [table, table === 'users' ? 'id' : columns.find((name) => OWNER_COLUMNS.includes(name))]),
  )

  t.test('every table has an owner, or is known to have none', async (t) => {
    t.ok([...ownerOf.values()].filter((owner) => owner === 'owner_id').length >= 8)
    const ownerless = tables.filter(({ table }) => ownerOf.get(table) === undefined)
    t.same(
      ownerless.map(({ table }) => table),
      Object.keys(GLOBAL),
    )
  })

  t.test('every primary key and unique key begins with the owner, but for the exceptions, which are all needed', async (t) => {
    const keys = await rowsOf(sql<Key>`
      select table_class.relname as table, index_class.relname as name,
        array(
          select attname::text from unnest(indkey) with ordinality as part (number, place)
          left join pg_attribute on attrelid = indrelid and attnum = number order by place) as columns,
        coalesce(pg_get_expr(indexprs, indrelid), '') as expressions
      from pg_index
      join pg_class as index_class on index_class.oid = indexrelid
      join pg_class as table_class on table_class.oid = indrelid
      where indisunique and table_class.relnamespace = 'public'::regnamespace
      order by 1, 2`)
    t.ok(keys.length > ownerOf.size - 1)
    const without = keys.filter(({ table, columns }) => ownerOf.get(table) !== undefined && columns[0] !== ownerOf.get(table))
    t.same(
      without.map(({ table, name, expressions, columns }) => `${table}: ${name} (${expressions || columns.join(', ')})`),
      Object.keys(EXCEPTIONS),
    )
  })

  t.test('every foreign key leads from an owner to rows of the same owner', async (t) => {
    const names = (numbers: string, table: string) =>
      sql.raw(`array(
      select attname::text from unnest(${numbers}) with ordinality as part (number, place)
      join pg_attribute on attrelid = ${table} and attnum = number order by place)`)
    const foreignKeys = await rowsOf(sql<ForeignKey>`
      select conname as name, child.relname as table, ${names('conkey', 'conrelid')} as columns,
        parent.relname as parent, ${names('confkey', 'confrelid')} as parent_columns
      from pg_constraint
      join pg_class as child on child.oid = conrelid
      join pg_class as parent on parent.oid = confrelid
      where contype = 'f' and child.relnamespace = 'public'::regnamespace`)
    t.ok(foreignKeys.length >= 10)
    const astray = foreignKeys.filter(({ table, columns, parent, parent_columns: parentColumns }) => {
      const place = columns.indexOf(ownerOf.get(table) ?? '')
      return place === -1 || parentColumns[place] !== ownerOf.get(parent)
    })
    t.same(astray, [])
  })

  t.test('there are no sequences: numbers are counted by owner, and move with the rows', async (t) => {
    const sequences = await rowsOf(sql`select from pg_class where relkind = 'S' and relnamespace::regnamespace::text in ('public', 'pgboss')`)
    t.equal(sequences.length, 0)
  })
})
