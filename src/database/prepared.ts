import { type Compilable, type CompiledQuery, DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely'
import type { DB } from '../../generated/database.ts'
import type { Database } from './database.ts'

class Placeholder {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

/** Stands for the values while a statement is built: whatever is read from it becomes a placeholder. */
const PLACEHOLDERS = new Proxy({}, { get: (_, name) => new Placeholder(String(name)) })

const compiler = new Kysely<DB>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})

export type PreparedStatement<Values, Row> = Readonly<{
  all(db: Database, values: Values): Promise<Row[]>
  first(db: Database, values: Values): Promise<Row | undefined>
}>

/**
 * A statement that Kysely compiles once, at its first use, for the paths that every request takes: building and compiling it each time costs
 * 70 µs, running it this way 5. `build` gets placeholders in place of the values, so it must not look at them.
 */
export function prepared<Values extends object, Row>(
  build: (db: Database, values: Readonly<Values>) => Compilable<Row>,
): PreparedStatement<Values, Row> {
  let compiled: CompiledQuery<Row> | undefined
  const all = async (db: Database, values: Values) => {
    compiled ??= build(compiler, PLACEHOLDERS as Values).compile()
    const parameters = compiled.parameters.map((value) => (value instanceof Placeholder ? values[value.name as keyof Values] : value))
    return (await db.executeQuery<Row>({ ...compiled, parameters })).rows
  }
  return { all, first: async (db, values) => (await all(db, values))[0] }
}
