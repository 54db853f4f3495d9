import { existsSync, mkdirSync, renameSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { PGlite, types } from '@electric-sql/pglite'
import { btree_gin } from '@electric-sql/pglite/contrib/btree_gin'
import { Kysely, PGliteDialect, sql } from 'kysely'
import type { Logger } from 'pino'
import type { DB } from '../../generated/database.ts'
import { COLUMN_PARSERS } from './column-types.ts'
import type { DatabaseConnection, ExecuteSql } from './database.ts'
import { DirectoryError } from './errors.ts'
import { NOTIFICATION_CHANNEL, type Notifications } from './notifications.ts'
import { type NoteStatement, noting } from './statement-times.ts'

/** Bytes that must be free: two segments of the write-ahead log, and for a new database what it begins with. */
const LEAST_FREE = 32 * 1024 * 1024
const LEAST_FREE_FOR_NEW = 96 * 1024 * 1024

const VACUUM_INTERVAL_MILLISECONDS = 24 * 60 * 60 * 1000

/**
 * PostgreSQL inside this process (PGlite), with its data in a directory, or in memory alone when there is none.
 * @throws DirectoryError
 */
export async function openEmbedded(directory: string | undefined, logger: Logger, noteStatement?: NoteStatement): Promise<DatabaseConnection> {
  const unlock = directory === undefined ? () => undefined : lockDirectory(directory)
  try {
    const pglite = await startPglite(directory)
    if (directory !== undefined) keepRoom(pglite, directory)
    const notifications = await listenHere(pglite)
    const db = new Kysely<DB>({ dialect: new PGliteDialect({ pglite }), ...noting(noteStatement) })
    // There is no autovacuum in here.
    const vacuum = () => sql`vacuum (analyze)`.execute(db).catch((error: Error) => logger.warn({ error: error.message }, 'vacuum failed'))
    await vacuum()
    const nightly = setInterval(vacuum, VACUUM_INTERVAL_MILLISECONDS).unref()
    return {
      db,
      reservedDb: db,
      patientDb: db,
      jobDb: db,
      executeSql: executeSqlOn(pglite),
      notifications,
      connections: () => [],
      async close() {
        clearInterval(nightly)
        await db.destroy()
        unlock()
      },
    }
  } catch (error) {
    unlock()
    throw error
  }
}

/** This process is the only one, and PGlite delivers a notification before the statement that commits it resolves: nothing needs to settle. */
async function listenHere(pglite: PGlite): Promise<Notifications> {
  const subscribers: ((message: string) => void)[] = []
  const deliver = (message: string) => {
    for (const subscriber of subscribers) subscriber(message)
  }
  await pglite.listen(NOTIFICATION_CHANNEL, deliver)
  return {
    isCurrent: () => true,
    subscribe: (receive) => void subscribers.push(receive),
    settle: async () => undefined,
    send: async (message) => deliver(message),
    close: async () => undefined,
  }
}

async function startPglite(directory: string | undefined): Promise<PGlite> {
  const settings = {
    extensions: { btree_gin },
    parsers: COLUMN_PARSERS as Record<number, (text: string) => unknown>,
    // PGlite's own list of start parameters, with a smaller cache: 233 MB of memory instead of 353.
    startParams: [...PGlite.defaultStartParams, '-c', 'shared_buffers=32MB'],
  }
  if (directory === undefined) return PGlite.create(settings)
  const data = join(directory, 'postgres')
  if (isFull(directory, existsSync(data) ? LEAST_FREE : LEAST_FREE_FOR_NEW))
    throw new DirectoryError(`The disk of ${directory} is nearly full. Free some space, or move the directory, and set DATA_DIR to where it is then.`)
  if (!existsSync(data)) {
    // A kill in the middle of the first start leaves a broken directory: it is made aside, and gets its name when it is whole.
    const aside = join(directory, 'postgres.new')
    rmSync(aside, { recursive: true, force: true })
    const fresh = await PGlite.create({ ...settings, dataDir: aside })
    await fresh.close()
    renameSync(aside, data)
  }
  return PGlite.create({ ...settings, dataDir: data })
}

const isFull = (directory: string, least = LEAST_FREE) => {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize < least
}

/** What stores nothing, or begins or ends a transaction. */
const isReading = (text: string) =>
  /^\s*((select|show|set|savepoint|release|rollback)\b|(begin|commit)\s*;?\s*$)/i.test(text) ||
  (/^\s*with\b/i.test(text) && !/\b(insert|update|delete|merge)\b/i.test(text))

/**
 * Where PostgreSQL ends when there is no room for its log, PGlite holds up the whole process for ever: what would write is refused before that, as it would be
 * there (53100). Of a statement that writes more than two segments by itself this knows nothing.
 */
function keepRoom(pglite: PGlite, directory: string): void {
  const guarded =
    <Rest extends unknown[], Result>(run: (text: string, ...rest: Rest) => Promise<Result>) =>
    async (text: string, ...rest: Rest): Promise<Result> => {
      if (!isReading(text) && isFull(directory)) throw Object.assign(new Error('The disk is nearly full.'), { code: '53100' })
      return run(text, ...rest)
    }
  const { transaction } = pglite
  pglite.query = guarded(pglite.query.bind(pglite)) as PGlite['query']
  pglite.exec = guarded(pglite.exec.bind(pglite))
  pglite.transaction = (work) =>
    transaction.call(pglite, (trx) => work({ ...trx, query: guarded(trx.query) as typeof trx.query, exec: guarded(trx.exec) })) as never
}

/** A script that opens a transaction itself runs inside one of PGlite's, which a failed statement takes back before anybody else's is run. */
function executeSqlOn(pglite: PGlite): ExecuteSql {
  return async (text, values) => {
    if (values !== undefined && values.length > 0) return pglite.query(text, values, { parsers: types.parsers })
    const results = await (/^\s*begin\b/i.test(text) ? pglite.transaction((trx) => trx.exec(text)) : pglite.exec(text, { parsers: types.parsers }))
    return { rows: results.flatMap(({ rows }) => rows) }
  }
}

/**
 * Two processes on one PGlite directory would silently lose rows. An open exclusive transaction on a SQLite file beside it is a lock that the
 * operating system frees however the process ends.
 */
function lockDirectory(directory: string): () => void {
  const lock = openLock(directory)
  try {
    lock.exec('pragma busy_timeout = 0; begin exclusive')
  } catch {
    lock.close()
    throw new DirectoryError(`Another process is using the embedded database in ${directory}. Stop it first, or set DATA_DIR to another directory.`)
  }
  return () => lock.close()
}

function openLock(directory: string): DatabaseSync {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    return new DatabaseSync(join(directory, 'lock'))
  } catch (error) {
    throw new DirectoryError(
      `The directory ${directory} cannot be used: ${(error as Error).message}. Set DATA_DIR to one that this user may write to.`,
    )
  }
}
