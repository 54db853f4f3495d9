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
  return advice === undefined ? undefined : `${reason.message}. ${advice}`
}

/** What to do about the errors of a listening socket, by their code. */
const LISTENING: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Stop the other process, or set PORT (METRICS_PORT for metrics) to another port.',
  EACCES: 'Set PORT to a port that this user may open, 1024 or above.',
  EADDRNOTAVAIL: 'Set HOST to an address of this machine, such as localhost or 0.0.0.0.',
}

const INSUFFICIENT_PRIVILEGE = '42501'
/** Of what databaseFault calls unavailable: no connection (08), no such role or a wrong password (28), no such database (3D), and what has no SQLSTATE. */
const UNREACHABLE = /^(08|28|3D|E|$)/

function adviceFor(error: NodeJS.ErrnoException): string | undefined {
  if (error.syscall === 'listen') return LISTENING[error.code ?? '']
  if (error.code === INSUFFICIENT_PRIVILEGE) return 'Make the role of DATABASE_URL the owner of its database.'
  const isUnreachable = databaseFault(error)?.kind === 'unavailable' && UNREACHABLE.test(error.code ?? '')
  return isUnreachable ? 'Set DATABASE_URL to a database of PostgreSQL that can be reached.' : undefined
}

/** The stack, and below it what caused it. */
function causesOf(error: unknown): string[] {
  if (error instanceof AggregateError) return [String(error.stack), ...error.errors.flatMap(causesOf)]
  if (!(error instanceof Error)) return [String(error)]
  return [String(error.stack), ...(error.cause === undefined ? [] : causesOf(error.cause).map((cause) => `Caused by: ${cause}`))]
}
