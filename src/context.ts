import type { Logger } from 'pino'
import type { Config } from './config.ts'
import type { Database, Transaction } from './database/database.ts'
import type { Notifications } from './database/notifications.ts'
import type { Cursors } from './database/pagination.ts'
import type { Jobs } from './jobs/jobs.ts'
import type { Keys } from './keys.ts'
import type { Mailer } from './mail/mailer.ts'

/**
 * What every handler may use.
 *
 * Glossary: a *user* registers and owns *lists* and *tasks*; a *principal* is the user behind a request with what its token allows; a *session* is
 * one login, which its *refresh token* prolongs and its *access tokens* stand for; a *position* is where a page ended, and a *cursor* is its
 * signed form; an *instance* is one process of the server; a *job* is work that an instance does later, outside of a request.
 */
export type Context = Readonly<{
  config: Config
  db: Database
  reservedDb: Database
  patientDb: Database
  notifications: Notifications
  logger: Logger
  keys: Keys
  cursors: Cursors
  jobs: Jobs
  lifecycle: Lifecycle
}>

/** What jobs and sweeps may use: mail is sent by them alone, and `db` is on connections of their own. */
export type WorkerContext = Context & Readonly<{ mailer: Mailer }>

export type Lifecycle = {
  /** Set when the process has been told to stop: readiness says no from then on. */
  draining: boolean
}

/** For what must go on while lists and tasks have to wait for the database. What is part of a transaction stays in it. */
export const reserved = (context: Context): Context => (context.db.isTransaction ? context : { ...context, db: context.reservedDb })

/**
 * For what is to be part of a transaction. What must stay whatever becomes of that goes over reservedDb as ever; only the embedded database has no other
 * connection, so that everything else would wait for the transaction, and the transaction for it.
 */
export const inside = (context: Context, trx: Transaction): Context => ({
  ...context,
  db: trx,
  patientDb: trx,
  reservedDb: context.reservedDb === context.db ? trx : context.reservedDb,
})
