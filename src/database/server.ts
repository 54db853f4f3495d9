import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import type { Logger } from 'pino'
import type { DB } from '../../generated/database.ts'
import type { DatabaseConfig } from '../config.ts'
import { COLUMN_PARSERS } from './column-types.ts'
import type { DatabaseConnection } from './database.ts'
import { listen } from './listener.ts'

type ServerConfig = Extract<DatabaseConfig, { kind: 'server' }>

/** Milliseconds. The client's limit is above the server's, so that a statement given up here does not run on there. */
const CONNECT_TIMEOUT = 1000
const STATEMENT_TIMEOUT = 1800
const QUERY_TIMEOUT = 2000
const LOCK_TIMEOUT = 1000
const IDLE_IN_TRANSACTION_TIMEOUT = 5000

/** As many texts get a name; the code has fewer, so none is ever evicted. */
const MOST_STATEMENT_NAMES = 500

/** Text columns arrive as the code wants them (column-types.ts); the rest as the driver has them. */
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    (format !== 'binary' && COLUMN_PARSERS[oid]) || pg.types.getTypeParser(oid, format as 'text'),
} as pg.CustomTypesConfig

export function sessionSettings(url: string): pg.ClientConfig {
  return {
    connectionString: url,
    types,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    options: '-c timezone=UTC',
  }
}

/** A pool of connections to a PostgreSQL server, and one more that listens. */
export function openServer(config: ServerConfig, logger: Logger): DatabaseConnection {
  const pool = new pg.Pool({
    ...sessionSettings(config.url),
    Client: NamedStatementClient,
    application_name: 'docket',
    max: config.poolSize,
    maxLifetimeSeconds: 1800,
    query_timeout: QUERY_TIMEOUT,
    statement_timeout: STATEMENT_TIMEOUT,
    lock_timeout: LOCK_TIMEOUT,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT,
  })
  // An error of a connection that nobody is using must not end the process. The pool reports the idle ones; those checked out inside a
  // transaction report to the client alone (test/faults/database-away.test.ts).
  const report = (error: Error) => logger.warn({ error: error.message }, 'lost a database connection')
  pool.on('error', report)
  pool.on('connect', (client) => void client.on('error', report))

  const notifications = listen(sessionSettings(config.listenUrl), logger)
  const db = new Kysely<DB>({ dialect: new PostgresDialect({ pool }) })
  return {
    db,
    notifications,
    async close() {
      await notifications.close()
      await db.destroy()
    },
  }
}

/** The name of each parameterised text, the same on all connections. */
const statementNames = new Map<string, string>()

/**
 * Gives each parameterised text a name, so that PostgreSQL parses and plans it once a connection: its CPU for a select by key falls from 280 to
 * 80 µs. After a migration a named plan may fail with "cached plan must not change result type" (0A000): the statement then runs unnamed.
 */
class NamedStatementClient extends pg.Client {
  // biome-ignore lint/suspicious/noExplicitAny: the driver's own method has a dozen overloads, of which the pool and Kysely use two
  override query(text: any, values?: any, callback?: any): any {
    if (typeof text !== 'string' || !Array.isArray(values) || callback !== undefined) return super.query(text, values, callback)
    const name = nameOf(text)
    if (name === undefined) return super.query(text, values)
    return super.query({ name, text, values }).catch((error: unknown) => {
      if (!(error instanceof pg.DatabaseError && error.code === '0A000' && error.message.includes('cached plan'))) throw error
      return super.query(text, values)
    })
  }
}

function nameOf(text: string): string | undefined {
  const known = statementNames.get(text)
  if (known !== undefined || statementNames.size >= MOST_STATEMENT_NAMES) return known
  const name = `docket_${statementNames.size}`
  statementNames.set(text, name)
  return name
}
