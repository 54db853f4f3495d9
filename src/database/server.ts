import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import type { Logger } from 'pino'
import type { DB } from '../../generated/database.ts'
import type { DatabaseConfig } from '../config.ts'
import { columnTypes } from './column-types.ts'
import type { ConnectionsState, DatabaseConnection } from './database.ts'
import { listen } from './listener.ts'
import { Pipelines } from './pipelines.ts'
import { type NamedStatement, runPreparedBy } from './prepared.ts'
import { PreparedQuery, type Statement } from './prepared-query.ts'
import { type NoteStatement, noting } from './statement-times.ts'
import { IndexReadingClient, UtcClient } from './utc-client.ts'

type ServerConfig = Extract<DatabaseConfig, { kind: 'server' }>

/**
 * Milliseconds. What a request asks of the database at once, a statement or a transaction, takes no longer than TURN_LIMIT, the wait for a connection
 * included. The server's limit is below it, so that a statement given up here does not run on there, save for writes that were sent ahead.
 */
const TURN_LIMIT = 1900
const CONNECT_TIMEOUT = 1000
/** Firewalls forget a connection after some minutes of silence, without a word. */
const KEEP_ALIVE = 60_000
const STATEMENT_TIMEOUT = 1800
/** Above PostgreSQL's deadlock_timeout of a second, so that a deadlock is told from a long wait. */
const LOCK_TIMEOUT = 1300
/** Of single writes, several of which share a connection: whoever waits longer goes on alone. */
const SHORT_LOCK_TIMEOUT = 100
/** Milliseconds: far more than a read takes that has to wait for neither disk nor core. */
const READ_PATIENCE = 10
/** How many single writes one connection is sent at once. What is given up of them may still be carried out, as after any connection that is lost. */
const MOST_WRITES_AHEAD = 4
/** Below what load balancers usually wait for an answer. */
const PATIENT_STATEMENT_TIMEOUT = 25_000
const PATIENT_TURN_LIMIT = PATIENT_STATEMENT_TIMEOUT + 100
const PATIENT_POOL_SIZE = 2
const RESERVED_POOL_SIZE = 3
/** Jobs neither take connections from requests nor wait for theirs. What says that a job is done waits longer for one than a request would. */
const JOB_POOL_SIZE = 3
const JOB_CONNECT_TIMEOUT = 5000
const IDLE_IN_TRANSACTION_TIMEOUT = 5000

export function sessionSettings(url: string): pg.ClientConfig {
  return {
    connectionString: url,
    types: columnTypes,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
  }
}

/** Pools of connections to a PostgreSQL server, and one more that listens. */
export function openServer(config: ServerConfig, logger: Logger, noteStatement?: NoteStatement): DatabaseConnection {
  const settings: pg.ClientConfig = {
    ...sessionSettings(config.url),
    application_name: 'docket',
    statement_timeout: STATEMENT_TIMEOUT,
    lock_timeout: LOCK_TIMEOUT,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT,
  }
  const report = (error: Error) => logger.warn({ error: error.message }, 'lost a database connection')
  const openPool = (special: pg.PoolConfig) => {
    const pool = new pg.Pool({ ...settings, ...special, maxLifetimeSeconds: 1800, Client: UtcClient })
    // An error of a connection that nobody is using must not end the process. The pool reports the idle ones; those checked out inside a
    // transaction report to the client alone (test/faults/database-away.test.ts).
    pool.on('error', report)
    pool.on('connect', (client) => void client.on('error', report))
    return pool
  }
  const open = (special: pg.PoolConfig, limit = TURN_LIMIT) => {
    const pool = openPool(special)
    const connect = takingTurns(pool, limit)
    // Prepared statements pass Kysely by, which ends only what it has used: close() ends the pool.
    const dialect = new PostgresDialect({ pool: { connect, end: async () => undefined, options: pool.options } })
    const stateAs = (name: string): ConnectionsState => {
      const { totalCount: open, idleCount: idle, waitingCount: waiting, options } = pool
      return { name, most: options.max, open, idle, waiting }
    }
    return { pool, connect, db: new Kysely<DB>({ dialect, ...noting(noteStatement) }), stateAs, end: () => pool.end() }
  }
  const main = open({ max: config.poolSize })
  const reserved = open({ max: RESERVED_POOL_SIZE })
  const patient = open({ max: PATIENT_POOL_SIZE, statement_timeout: PATIENT_STATEMENT_TIMEOUT }, PATIENT_TURN_LIMIT)
  const jobs = open(
    {
      max: JOB_POOL_SIZE,
      statement_timeout: PATIENT_STATEMENT_TIMEOUT,
      query_timeout: PATIENT_TURN_LIMIT,
      connectionTimeoutMillis: JOB_CONNECT_TIMEOUT,
      application_name: 'docket-jobs',
    },
    PATIENT_TURN_LIMIT,
  )

  const notifications = listen(sessionSettings(config.listenUrl), logger)
  const named = config.preparedStatements
  // A general plan that is not kept is only a worse one.
  const reading = { Client: named ? IndexReadingClient : UtcClient, silence: TURN_LIMIT, waiting: Infinity, patience: READ_PATIENCE }
  const openReaders = (size: number) => (config.pipelines > 0 ? new Pipelines(size, settings, reading, logger) : undefined)
  const pipelines = openReaders(config.pipelines)
  const writing = {
    Client: UtcClient,
    silence: TURN_LIMIT,
    waiting: MOST_WRITES_AHEAD,
    // Each waits for its commit.
    patience: 0,
    needs: { check: givesUpLocks, otherwise: 'writes without pipelines, because a lock_timeout was passed over' },
  }
  const writers =
    config.pipelines > 0 && named ? new Pipelines(config.poolSize, { ...settings, lock_timeout: SHORT_LOCK_TIMEOUT }, writing, logger) : undefined
  runPreparedBy(main.db, timed(preparedRunner({ connect: main.connect, pipelines, writers, named }), noteStatement))
  // Of who sends a request: these wait for no lock, and for nothing that does.
  const lookups = openReaders(1)
  runPreparedBy(reserved.db, timed(preparedRunner({ connect: reserved.connect, pipelines: lookups, named }), noteStatement))
  return {
    db: main.db,
    reservedDb: reserved.db,
    patientDb: patient.db,
    jobDb: jobs.db,
    executeSql: (text, values) => jobs.pool.query({ text, types: pg.types, ...(values && { values }) }),
    notifications,
    connections: () => [
      ...Object.entries({ main, reserved, patient, jobs }).map(([name, pool]) => pool.stateAs(name)),
      ...Object.entries({ pipelines, writers, lookups }).flatMap(([name, pipeline]) => (pipeline === undefined ? [] : [{ name, ...pipeline.state }])),
    ],
    async close() {
      await Promise.all([notifications, pipelines, writers, lookups].map((each) => each?.close()))
      await Promise.all([main, reserved, patient, jobs].map((pool) => pool.end()))
    },
  }
}

/** Poolers pass over what they do not know: then writes would wait for each other. */
async function givesUpLocks(client: pg.Client): Promise<boolean> {
  // A client takes a time limit with a query, but @types/pg do not know that.
  const query = { text: 'show lock_timeout', query_timeout: CONNECT_TIMEOUT }
  const { rows } = await client.query<{ lock_timeout: string }>(query)
  return rows[0]?.lock_timeout === `${SHORT_LOCK_TIMEOUT}ms`
}

type Connect = () => Promise<pg.PoolClient>

/**
 * Hands out connections for a limited time, counted from when one was asked for, and closes one that is not back by then. It must not go back to the
 * pool: what it was last sent may still be carried out, and a late `begin` would take in, and roll back, the writes of whoever got it next
 * (test/database/silent-connections.test.ts).
 */
function takingTurns(pool: pg.Pool, limit: number): Connect {
  const turns = new WeakMap<pg.PoolClient, NodeJS.Timeout>()
  pool.on('release', (_error, client) => clearTimeout(turns.get(client)))
  return async () => {
    const end = performance.now() + limit
    const client = await pool.connect()
    const close = () => void (client as unknown as pg.Client).end().catch(() => undefined)
    turns.set(client, setTimeout(close, end - performance.now()))
    return client
  }
}

type RunPrepared = (statement: NamedStatement) => Promise<unknown[]>

function timed(run: RunPrepared, noteStatement: NoteStatement | undefined): RunPrepared {
  if (noteStatement === undefined) return run
  return async (statement) => {
    const startedAt = performance.now()
    try {
      return await run(statement)
    } finally {
      noteStatement(performance.now() - startedAt)
    }
  }
}

type Ways = Readonly<{
  connect: Connect
  pipelines: Pipelines | undefined
  writers?: Pipelines | undefined
  /** Whether the server keeps plans by name; PgBouncer before 1.21 cannot. */
  named: boolean
}>

function preparedRunner({ connect, pipelines, writers, named }: Ways): RunPrepared {
  // Part of every name: a migration can leave a name with a plan that fails from then on, and then all statements get new names.
  let generation = 0
  const runAlone = async (statement: Statement) => {
    const client = await connect()
    try {
      return await new Promise<unknown[]>((resolve, reject) => {
        client.query(new PreparedQuery(statement, (error, rows) => (error ? reject(error) : resolve(rows))))
      })
    } finally {
      client.release()
    }
  }
  const runAhead = (statement: Statement, kind: NamedStatement['kind']) => {
    if (kind === 'read') return pipelines?.run(statement)
    if (kind === 'slow') return undefined
    return writers?.run(statement)?.catch((error) => {
      if (isHeldUp(error)) return runAlone(statement)
      throw error
    })
  }
  const run = ({ name, text, values, kind }: NamedStatement) => {
    const statement = named ? { name: `${name}_${generation}`, text, values } : { text, values }
    return runAhead(statement, kind) ?? runAlone(statement)
  }
  return async (statement) => {
    for (let again = false; ; again = true) {
      const startedIn = generation
      try {
        return await run(statement)
      } catch (error) {
        // A single statement that failed has changed nothing.
        if (!again && isStalePlan(error)) generation = Math.max(generation, startedIn + 1)
        else if (again || !isDeadlock(error)) throw toldByWhoAsked(error)
      }
    }
  }
}

/** With the stack of who asked, in place of that of where the answer was read. */
function toldByWhoAsked(error: unknown): unknown {
  if (error instanceof pg.DatabaseError) Error.captureStackTrace(error)
  return error
}

/** "cached plan must not change result type", in whatever language the server says so. */
const isStalePlan = (error: unknown) => error instanceof pg.DatabaseError && error.code === '0A000' && error.routine === 'RevalidateCachedQuery'

/**
 * It waited for a lock (55P03); or was sent behind the one that should have prepared its statement, and waited (26000), or with another that was to
 * prepare it then (42P05). None of them has changed anything.
 */
const isHeldUp = (error: unknown) => error instanceof pg.DatabaseError && HELD_UP.has(error.code ?? '')
const HELD_UP = new Set(['55P03', '26000', '42P05'])

const isDeadlock = (error: unknown) => error instanceof pg.DatabaseError && error.code === '40P01'
