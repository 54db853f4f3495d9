import pg from 'pg'
import { columnTypes } from './column-types.ts'

type Row = Record<string, unknown>

/** A statement that connections know by its name; one without is parsed, planned and described each time. */
export type Statement = Readonly<{ name?: string; text: string; values: unknown[] }>

type Answer = (error: unknown, rows: Row[]) => void

type ReadRow = (texts: readonly (string | null)[]) => Row

/** By the names and types of the columns. They are those of our own statements, so that there are never many. */
const readers = new Map<string, ReadRow>()

/**
 * What makes a row of the texts of its columns. It is code made for these columns, in which each name is a literal
 * (test/database/prepared-query.test.ts): filling in a copy of an empty row, property by property, cost a tenth more of a page of 100 tasks.
 */
function rowReader(fields: readonly pg.FieldDef[]): ReadRow {
  const key = JSON.stringify(fields.map(({ name, dataTypeID }) => [name, dataTypeID]))
  let read = readers.get(key)
  if (read === undefined) {
    const parsers = fields.map(({ dataTypeID }) => columnTypes.getTypeParser(dataTypeID, 'text'))
    const columns = fields.map(({ name }, place) => `${JSON.stringify(name)}: texts[${place}] === null ? null : parsers[${place}](texts[${place}])`)
    read = new Function('parsers', `return (texts) => ({ ${columns.join(', ')} })`)(parsers) as ReadRow
    readers.set(key, read)
  }
  return read
}

type Described = Readonly<{
  /** By the name of the statement. */
  statements: Map<string, ReadRow>
  /** The connection as it is, but it sends no Describe. */
  withoutDescribe: pg.Connection
}>

const connections = new WeakMap<pg.Connection, Described>()

function describedOn(connection: pg.Connection): Described {
  let described = connections.get(connection)
  if (described === undefined) {
    described = { statements: new Map(), withoutDescribe: Object.create(connection, { describe: { value: () => undefined } }) }
    connections.set(connection, described)
  }
  return described
}

/**
 * A statement whose columns each connection describes once. pg has them described with every answer, and looks up anew how each is read: that was a tenth
 * of what it costs to read a task. PostgreSQL refuses a prepared statement whose columns are no longer what they were (0A000, "cached plan must not
 * change result type"), so that they cannot change unnoticed; a pooler that prepares it again on another connection does not (docs/instances.md).
 */
export class PreparedQuery extends (pg.Query as unknown as DriverQuery) {
  #described: Described | undefined
  #readRow: ReadRow | undefined
  readonly #rows: Row[] = []
  #failure: unknown

  constructor({ name, text, values }: Statement, answer: Answer) {
    // Of a configuration pg would take a copy, which costs 2 µs.
    super(text, values, answer)
    this.name = name
  }

  override submit(connection: pg.Connection): Error | null {
    this.#described = describedOn(connection)
    this.#readRow = this.name === undefined ? undefined : this.#described.statements.get(this.name)
    return super.submit(this.#readRow === undefined ? connection : this.#described.withoutDescribe)
  }

  override handleRowDescription({ fields }: Readonly<{ fields: readonly pg.FieldDef[] }>): void {
    this.#readRow = rowReader(fields)
    if (this.name !== undefined) this.#described?.statements.set(this.name, this.#readRow)
  }

  override handleDataRow({ fields }: Readonly<{ fields: readonly (string | null)[] }>): void {
    if (this.#failure !== undefined) return
    try {
      this.#rows.push((this.#readRow as ReadRow)(fields))
    } catch (error) {
      this.#failure = error
    }
  }

  /** Nobody asks how many rows there were. */
  override handleCommandComplete(): void {}

  override handleReadyForQuery(): void {
    this.callback(this.#failure, this.#rows)
  }
}

/** Of pg itself, and not documented. */
type DriverQuery = new (
  text: string,
  values: unknown[],
  callback: Answer,
) => {
  name: string | undefined
  readonly callback: Answer
  submit(connection: pg.Connection): Error | null
  handleRowDescription(message: Readonly<{ fields: readonly pg.FieldDef[] }>): void
  handleDataRow(message: Readonly<{ fields: readonly (string | null)[] }>): void
  handleCommandComplete(): void
  handleReadyForQuery(): void
}
