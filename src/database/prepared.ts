import {
  type Compilable,
  type CompiledQuery,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type RawBuilder,
} from 'kysely'
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

/** A prepared statement with its values. The same text always has the same name. */
export type NamedStatement = Readonly<{ name: string; text: string; values: unknown[]; kind: 'read' | 'write' | 'slow' }>

/** How a database runs prepared statements; one that is not here, such as a transaction, runs them like any other. */
const runners = new WeakMap<Database, (statement: NamedStatement) => Promise<unknown[]>>()

export function runPreparedBy(db: Database, run: (statement: NamedStatement) => Promise<unknown[]>): void {
  runners.set(db, run)
}

let count = 0

/**
 * A statement that Kysely compiles once, at its first use, and each connection parses and plans once, for the paths that most requests take.
 * Building and compiling it each time costs 70 µs of CPU here, parsing and planning it 200 µs in PostgreSQL. `build` gets placeholders in place of
 * the values, so it must not look at them. What is SQL of our own counts as a write.
 * @param slow whether it may take long, or wait for long, and would hold up those of others that are sent behind it
 */
export function prepared<Values extends object, Row>(
  build: (db: Database, values: Readonly<Values>) => Compilable<Row> | RawBuilder<Row>,
  { slow = false } = {},
): PreparedStatement<Values, Row> {
  const name = `docket_${count++}`
  let compiled: CompiledQuery<Row> | undefined
  const all = (db: Database, values: Values): Promise<Row[]> => {
    compiled ??= build(compiler, PLACEHOLDERS as Values).compile(compiler)
    const parameters = compiled.parameters.map((value) => (value instanceof Placeholder ? values[value.name as keyof Values] : value))
    const run = runners.get(db)
    if (run === undefined) return db.executeQuery<Row>({ ...compiled, parameters }).then(({ rows }) => rows)
    const kind = slow ? 'slow' : compiled.query.kind === 'SelectQueryNode' ? 'read' : 'write'
    return run({ name, text: compiled.sql, values: parameters, kind }) as Promise<Row[]>
  }
  return { all, first: async (db, values) => (await all(db, values))[0] }
}
