import type { Kysely, Transaction as KyselyTransaction } from 'kysely'
import type { DB } from '../../generated/database.ts'
import type { Notifications } from './notifications.ts'

export type Database = Kysely<DB>

/** A function that takes one must run inside a transaction. */
export type Transaction = KyselyTransaction<DB>

/** Runs SQL as it stands: one statement with its values, or a script of several without. */
export type ExecuteSql = (text: string, values?: unknown[]) => Promise<{ rows: unknown[] }>

/** The connections of one purpose, as they are now. */
export type ConnectionsState = Readonly<{
  name: string
  /** How many there may be. */
  most: number
  open: number
  idle: number
  /** Of a pool, those who wait for a connection; of a pipeline, statements that wait for their answer. */
  waiting: number
}>

/** An open database, a server's or the embedded one: nothing outside this folder knows which. */
export type DatabaseConnection = Readonly<{
  db: Database
  /** The same over connections of its own, for what must go on while statements on `db` wait for a lock and hold all of its connections. */
  reservedDb: Database
  /** The same with more time, for the few statements that go through very many rows. */
  patientDb: Database
  /** The same on the connections of jobs, which neither take any from requests nor wait for theirs. */
  jobDb: Database
  /** On the connections of jobs too, with the driver's own types: for src/jobs, whose statements are not ours. */
  executeSql: ExecuteSql
  notifications: Notifications
  /** None where there are no connections: the embedded database has one session, in this process. */
  connections(): readonly ConnectionsState[]
  close(): Promise<void>
}>
