import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import type { Context } from './context.ts'
import { openDatabase } from './database/client.ts'
import type { DatabaseConnection } from './database/database.ts'
import { databaseFault, reasonOf } from './database/errors.ts'
import { migrateServer } from './database/migrate.ts'
import { Cursors } from './database/pagination.ts'
import { requireSharedKey } from './database/signing-key.ts'
import { noteStatement } from './database/statement-times.ts'
import { Jobs } from './jobs/jobs.ts'
import { deriveKeys, keyIdOf, readSecrets, type Secrets } from './keys.ts'
import { createMailer, type Mailer } from './mail/mailer.ts'
import { updateSchema } from './schema.ts'
import { createSweeps, createWorkers } from './workers.ts'

const DATABASE_PATIENCE_MILLISECONDS = 30_000

/**
 * Opens the database of the settings, brings its schema up to date unless it must not, puts together what the handlers use, and starts the jobs. They
 * end when what is returned is closed.
 */
export async function createContext(config: Config, logger: Logger): Promise<{ context: Context; database: DatabaseConnection }> {
  const connection = await openDatabase(config.database, logger, config.serverTiming ? noteStatement : undefined)
  const jobs = new Jobs(connection, { works: config.jobs }, logger)
  const database = {
    ...connection,
    async close() {
      await jobs.stop()
      await connection.close()
    },
  }
  try {
    const secrets = readSecrets(config)
    await oncePossible(logger, () => migrate(config, database, logger))
    await oncePossible(logger, () => shareKeys(database, secrets))
    const keys = deriveKeys(secrets)
    const { db, reservedDb, patientDb, jobDb, notifications } = database
    const lifecycle = { draining: false }
    const context: Context = {
      config,
      db,
      reservedDb,
      patientDb,
      notifications,
      logger,
      keys,
      cursors: new Cursors(keys.cursor),
      jobs,
      lifecycle,
    }
    const workerContext = { ...context, db: jobDb, mailer: counting(createMailer(config.mail, logger), jobs) }
    await jobs.start(createWorkers(workerContext), createSweeps(workerContext))
    return { context, database }
  } catch (error) {
    await database.close()
    throw error
  }
}

/** Tells what became of each mail. */
const counting = ({ send }: Mailer, { effects }: Jobs): Mailer => ({
  send: (mail, attempt) =>
    send(mail, attempt).then(
      () => effects.add('mail', 'sent'),
      (error) => {
        effects.add('mail', 'failed')
        throw error
      },
    ),
})

async function migrate({ database: settings }: Config, { db, executeSql }: DatabaseConnection, logger: Logger): Promise<void> {
  if (settings.kind === 'server' && !settings.migrateAtStart) return
  const done = settings.kind === 'server' ? await migrateServer(settings.listenUrl, updateSchema) : await updateSchema(db, executeSql)
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
      logger.warn({ error: reasonOf(error).message }, 'waiting for the database')
    }
  }
}
