import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import type { Context } from './context.ts'
import { openDatabase } from './database/client.ts'
import type { DatabaseConnection } from './database/database.ts'
import { databaseFault } from './database/errors.ts'
import { migrateServer, migrateToLatest } from './database/migrate.ts'
import { Cursors } from './database/pagination.ts'
import { requireSharedKey } from './database/signing-key.ts'
import { deriveKeys, keyIdOf, readSecrets, type Secrets } from './keys.ts'

const DATABASE_PATIENCE_MILLISECONDS = 30_000

/** Opens the database of the settings, brings its schema up to date unless it must not, and puts together what the handlers use. */
export async function createContext(config: Config, logger: Logger): Promise<{ context: Context; database: DatabaseConnection }> {
  const database = await openDatabase(config.database, logger)
  try {
    const secrets = readSecrets(config)
    await oncePossible(logger, () => migrate(config, database, logger))
    await oncePossible(logger, () => shareKeys(database, secrets))
    const keys = deriveKeys(secrets)
    const { db, patientDb, notifications } = database
    const lifecycle = { startedAt: Date.now(), draining: false }
    return {
      context: {
        config,
        db,
        patientDb,
        notifications,
        logger,
        keys,
        cursors: new Cursors(keys.cursor),
        lifecycle,
      },
      database,
    }
  } catch (error) {
    await database.close()
    throw error
  }
}

async function migrate({ database: settings }: Config, { db }: DatabaseConnection, logger: Logger): Promise<void> {
  if (settings.kind === 'server' && !settings.migrateAtStart) return
  const done = settings.kind === 'server' ? await migrateServer(settings, migrateToLatest) : await migrateToLatest(db)
  if (done.length > 0) logger.info({ migrations: done }, 'migrated the database')
}

/** Where the schema is not there yet, nothing is signed that others would have to know: readiness says what is missing. */
async function shareKeys({ db }: DatabaseConnection, [current, ...previous]: Secrets): Promise<void> {
  try {
    await requireSharedKey(db, [keyIdOf(current), ...previous.map(keyIdOf)])
  } catch (error) {
    if (databaseFault(error)?.kind !== 'unknownTable') throw error
  }
}

/** A server may come up a little later than we do. */
async function oncePossible(logger: Logger, work: () => Promise<void>): Promise<void> {
  for (const startedAt = Date.now(); ; await sleep(1000)) {
    try {
      return await work()
    } catch (error) {
      if (databaseFault(error)?.kind !== 'unavailable' || Date.now() - startedAt > DATABASE_PATIENCE_MILLISECONDS) throw error
      logger.warn({ error: reasonOf(error) }, 'waiting for the database')
    }
  }
}

/** What is behind it in the end: migrations wrap the error of the connection. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return reasonOf(error.errors[0])
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : reasonOf(error.cause)
}
