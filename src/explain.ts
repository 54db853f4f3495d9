import { ConfigError } from './config.ts'
import { DirectoryError, databaseFault, reasonOf } from './database/errors.ts'
import { UnsuitableDatabaseError } from './database/migrate.ts'
import { UnmovableError } from './database/moving.ts'
import { ForeignKeysError } from './database/signing-key.ts'
import { Problem } from './problem.ts'

/** Runs a command: what people can mend themselves is said in a sentence, anything else with its stack, and the exit code is 1. */
export async function explainFailure(command: () => Promise<void>): Promise<void> {
  try {
    await command()
  } catch (error) {
    process.stderr.write(`${sentenceFor(error) ?? causesOf(error).join('\n')}\n`)
    process.exit(1)
  }
}

/** Their messages say what to do. */
const EXPLAINED = [ConfigError, DirectoryError, UnsuitableDatabaseError, UnmovableError, ForeignKeysError]

function sentenceFor(error: unknown): string | undefined {
  if (EXPLAINED.some((type) => error instanceof type)) return (error as Error).message
  if (error instanceof Problem) {
    const { message, errors = [] } = error
    return errors.length === 0 ? message : ['That cannot be:', ...errors.map(({ path, message }) => `  ${path.slice(1)} ${message}`)].join('\n')
  }
  const reason = reasonOf(error)
  const advice = adviceFor(reason)
  return advice === undefined ? undefined : `${reason.message.replace(/\.$/, '')}. ${advice}`
}

/** What to do about the errors of a listening socket, by their code. */
const LISTENING: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Stop the other process, or set PORT (METRICS_PORT for metrics) to another port.',
  EACCES: 'Set PORT to a port that this user may open, 1024 or above.',
  EADDRNOTAVAIL: 'Set HOST to an address of this machine, such as localhost or 0.0.0.0.',
}

/** What to do about the errors of PostgreSQL, by the beginning of their SQLSTATE; a connection that fails before that has none, or a code of the system. */
const DATABASE: readonly (readonly [RegExp, string])[] = [
  [/^42501/, 'Make the role of DATABASE_URL the owner of its database.'],
  [/^55P03/, 'Something else holds the tables, such as a dump: try again when it is done.'],
  [/^53100/, 'Free some space on the disk of the database.'],
  [/^(40|53|57)/, 'Try again in a moment.'],
  [/^(08|28|3D|E|$)/, 'Set DATABASE_URL to a database of PostgreSQL that can be reached.'],
]

function adviceFor(error: NodeJS.ErrnoException): string | undefined {
  const { code = '', syscall } = error
  if (syscall === 'listen') return LISTENING[code]
  if (code !== '42501' && databaseFault(error)?.kind !== 'unavailable') return undefined
  return DATABASE.find(([states]) => states.test(code))?.[1]
}

/** The stack, and below it what caused it. */
function causesOf(error: unknown): string[] {
  if (error instanceof AggregateError) return [String(error.stack), ...error.errors.flatMap(causesOf)]
  if (!(error instanceof Error)) return [String(error)]
  return [String(error.stack), ...(error.cause === undefined ? [] : causesOf(error.cause).map((cause) => `Caused by: ${cause}`))]
}
