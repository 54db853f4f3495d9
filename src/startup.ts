import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import type { Context } from './context.ts'
import { openDatabase } from './database/client.ts'
import type { DatabaseConnection } from './database/database.ts'
import { databaseFault } from './database/errors.ts'
import { migrateServer, migrateToLatest } from './database/migrate.ts'
import { Cursors } from './database/pagination.ts'
import { deriveKeys, readSecret } from './keys.ts'

const DATABASE_PATIENCE_MILLISECONDS = 30_000

/** Opens the database of the settings, brings its schema up to date unless it must not, and puts together what the handlers use. */
export async function createContext(config: Config, logger: Logger): Promise<{ context: Context; database: DatabaseConnection }> {
  const database = await openDatabase(config.database, logger)
  try {
    await migrate(config, database, logger)
    const keys = deriveKeys(readSecret(config))
    const { db, reservedDb, patientDb, notifications } = database
    const lifecycle = { startedAt: Date.now(), draining: false }
    return {
      context: {
        config,
        db,
        reservedDb,
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

/** A server may come up a little later than we do. */
async function migrate({ database: settings }: Config, { db }: DatabaseConnection, logger: Logger): Promise<void> {
  if (settings.kind === 'server' && !settings.migrateAtStart) return
  for (const startedAt = Date.now(); ; await sleep(1000)) {
    try {
      const done = settings.kind === 'server' ? await migrateServer(settings, migrateToLatest) : await migrateToLatest(db)
      if (done.length > 0) logger.info({ migrations: done }, 'migrated the database')
      return
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
