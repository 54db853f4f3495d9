import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import type { Logger } from 'pino'
import type { DB } from '../../generated/database.ts'
import type { DatabaseConfig } from '../config.ts'
import { COLUMN_PARSERS } from './column-types.ts'
import type { DatabaseConnection } from './database.ts'
import { listen } from './listener.ts'
import { Pipelines } from './pipelines.ts'
import { type NamedStatement, runPreparedBy } from './prepared.ts'

type ServerConfig = Extract<DatabaseConfig, { kind: 'server' }>

/** Milliseconds. The client's limit is above the server's, so that a statement given up here does not run on there. */
const CONNECT_TIMEOUT = 1000
const STATEMENT_TIMEOUT = 1800
const QUERY_TIMEOUT = 2000
const LOCK_TIMEOUT = 1000
const IDLE_IN_TRANSACTION_TIMEOUT = 5000

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
  const settings: pg.ClientConfig = {
    ...sessionSettings(config.url),
    application_name: 'docket',
    query_timeout: QUERY_TIMEOUT,
    statement_timeout: STATEMENT_TIMEOUT,
    lock_timeout: LOCK_TIMEOUT,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT,
  }
  const pool = new pg.Pool({ ...settings, max: config.poolSize, maxLifetimeSeconds: 1800 })
  // An error of a connection that nobody is using must not end the process. The pool reports the idle ones; those checked out inside a
  // transaction report to the client alone (test/faults/database-away.test.ts).
  const report = (error: Error) => logger.warn({ error: error.message }, 'lost a database connection')
  pool.on('error', report)
  pool.on('connect', (client) => void client.on('error', report))

  const notifications = listen(sessionSettings(config.listenUrl), logger)
  const db = new Kysely<DB>({ dialect: new PostgresDialect({ pool }) })
  const pipelines = config.pipelines > 0 ? new Pipelines(config.pipelines, settings, logger) : undefined
  runPreparedBy(db, (statement) => runPrepared(statement, pool, pipelines))
  return {
    db,
    notifications,
    async close() {
      await notifications.close()
      await pipelines?.close()
      await db.destroy()
    },
  }
}

/**
 * After a migration a named plan may fail with "cached plan must not change result type" (0A000): the statement then runs once more without its name.
 */
async function runPrepared({ name, text, values, reads }: NamedStatement, pool: pg.Pool, pipelines: Pipelines | undefined): Promise<unknown[]> {
  try {
    const { rows } = await ((reads && pipelines?.run({ name, text, values })) || pool.query({ name, text, values }))
    return rows
  } catch (error) {
    if (!(error instanceof pg.DatabaseError && error.code === '0A000' && error.message.includes('cached plan'))) throw error
    return (await pool.query(text, values)).rows
  }
}
