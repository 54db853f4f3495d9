import pg from 'pg'
import { columnTypes } from './column-types.ts'

type Row = Record<string, unknown>

/** A statement that connections know by its name; one without is parsed, planned and described each time. */
export type Statement = Readonly<{ name?: string; text: string; values: unknown[] }>

type Answer = (error: unknown, rows: Row[]) => void

/** The columns of a statement, by their place, and a row of nothing but nulls. */
type Columns = Readonly<{ names: string[]; parsers: ((text: string) => unknown)[]; blank: Row }>

type Described = Readonly<{
  /** By the name of the statement. */
  columns: Map<string, Columns>
  /** The connection as it is, save that it asks for no description. */
  taciturn: pg.Connection
}>

const connections = new WeakMap<pg.Connection, Described>()

function describedOn(connection: pg.Connection): Described {
  let described = connections.get(connection)
  if (described === undefined) {
    described = { columns: new Map(), taciturn: Object.create(connection, { describe: { value: () => undefined } }) }
    connections.set(connection, described)
  }
  return described
}

/**
 * A statement whose columns each connection describes once, where pg asks for them each time and makes the rows anew of what it hears: that was a tenth
 * of what it costs to read a task. They cannot change unnoticed: PostgreSQL refuses a prepared statement whose columns are no longer what they were when
 * it was prepared (0A000, "cached plan must not change result type").
 */
export class PreparedQuery extends (pg.Query as unknown as DriverQuery) {
  #described: Described | undefined
  #columns: Columns | undefined
  readonly #rows: Row[] = []
  #failure: unknown

  constructor({ name, text, values }: Statement, answer: Answer) {
    super(text, values, answer)
    this.name = name
  }

  override submit(connection: pg.Connection): Error | null {
    this.#described = describedOn(connection)
    this.#columns = this.name === undefined ? undefined : this.#described.columns.get(this.name)
    return super.submit(this.#columns === undefined ? connection : this.#described.taciturn)
  }

  handleRowDescription({ fields }: Readonly<{ fields: readonly pg.FieldDef[] }>): void {
    const names = fields.map(({ name }) => name)
    const parsers = fields.map(({ dataTypeID }) => columnTypes.getTypeParser(dataTypeID, 'text'))
    this.#columns = { names, parsers, blank: Object.fromEntries(names.map((name) => [name, null])) }
    if (this.name !== undefined) this.#described?.columns.set(this.name, this.#columns)
  }

  handleDataRow({ fields }: Readonly<{ fields: readonly (string | null)[] }>): void {
    const { names, parsers, blank } = this.#columns as Columns
    const row = { ...blank }
    try {
      for (let place = 0; place < fields.length; place++) {
        const text = fields[place]
        if (typeof text === 'string') row[names[place] as string] = parsers[place]?.(text)
      }
      this.#rows.push(row)
    } catch (error) {
      this.#failure = error
    }
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.callback(this.#failure, this.#rows)
  }
}

/** What pg.Query has, and its types do not tell. */
type DriverQuery = new (
  text: string,
  values: unknown[],
  callback: Answer,
) => {
  name: string | undefined
  readonly callback: Answer
  submit(connection: pg.Connection): Error | null
}
