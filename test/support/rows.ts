import { sql } from 'kysely'
import type { Database } from '../../src/database/database.ts'

type Column = Readonly<{ table: string; column: string }>

/** Every column of every table but those of Kysely's migrations. */
export async function columnsOf(db: Database): Promise<Column[]> {
  const { rows } = await sql<Column>`
    select c.table_name as table, c.column_name as column
    from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
    where c.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.table_name not like 'kysely%'
    order by c.table_name, c.ordinal_position`.execute(db)
  return rows
}

/** All rows of all tables as one text, for tests that look for what must not be there. */
export async function everyValue(db: Database): Promise<string> {
  const tables = [...new Set((await columnsOf(db)).map(({ table }) => table))]
  const texts = []
  for (const table of tables) {
    const { rows } = await sql<{ text: string }>`select row::text as text from ${sql.table(table)} as row`.execute(db)
    texts.push(...rows.map(({ text }) => text))
  }
  return texts.join('\n')
}
