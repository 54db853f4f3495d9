/** The directory of the embedded database cannot be used; the message says why. */
export class DirectoryError extends Error {}

/** What a failed statement means to its caller, whichever driver reported it. */
export type DatabaseFault =
  | Readonly<{ kind: 'unavailable' }>
  | Readonly<{ kind: 'unique' | 'foreignKey'; constraint: string }>
  | Readonly<{ kind: 'notNull'; column: string }>
  | Readonly<{ kind: 'invalidTimeZone' }>
  | Readonly<{ kind: 'invalidInput' }>
  | Readonly<{ kind: 'unknownTable' }>

/** Connection errors of pg and of Node that carry no SQLSTATE. */
const UNAVAILABLE_MESSAGES =
  /timeout exceeded when trying to connect|Connection terminated|Client has encountered a connection error|Query read timeout|not queryable|Client was closed|PGlite is clos/i
const UNAVAILABLE_SYSTEM_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
])

/** A socket of the file system that is not there; any other file that is missing is no fault of the database. */
const isMissingSocket = (error: Error, code: string) => code === 'ENOENT' && 'syscall' in error && error.syscall === 'connect'

/**
 * SQLSTATE classes (PostgreSQL appendix A) after which the same request may succeed later: 08 connection, 26 a name whose statement could not be
 * prepared (in a pipeline, for another request: test/database/pipelines.test.ts) and 42P05 one that was prepared after all, 40 rollback (deadlock),
 * 53 resources, 55P03 lock timeout, 57 operator intervention and statement timeout, 58 system error, 25006 read-only failover, 3D000 and 28 while a server
 * is set up.
 */
const UNAVAILABLE_STATES = /^(08|26|40|53|57|58|28)|^(42P05|55P03|25006|3D000)$/

/** Reads a driver's error; undefined for an error that is not the database's. */
export function databaseFault(error: unknown): DatabaseFault | undefined {
  if (!(error instanceof Error)) return undefined
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const constraint = 'constraint' in error && typeof error.constraint === 'string' ? error.constraint : ''
  if (code === '23505') return { kind: 'unique', constraint }
  if (code === '23502') return { kind: 'notNull', column: 'column' in error ? String(error.column) : '' }
  if (code === '23503') return { kind: 'foreignKey', constraint }
  if (code === '22023' && error.message.includes('time zone')) return { kind: 'invalidTimeZone' }
  if (UNAVAILABLE_STATES.test(code) || UNAVAILABLE_SYSTEM_CODES.has(code) || isMissingSocket(error, code) || UNAVAILABLE_MESSAGES.test(error.message))
    return { kind: 'unavailable' }
  if (code === '42P01') return { kind: 'unknownTable' }
  if (/^(22|54)/.test(code)) return { kind: 'invalidInput' }
  if (error instanceof AggregateError && error.errors.length > 0) return databaseFault(error.errors[0])
  if (error.cause !== undefined) return databaseFault(error.cause)
  return undefined
}

/** What is behind an error in the end: migrations wrap the one of the connection. */
export function reasonOf(error: unknown): Error {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  if (!(error instanceof Error)) return new Error(String(error))
  return error.cause === undefined ? error : reasonOf(error.cause)
}
