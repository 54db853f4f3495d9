import { type DestinationStream, type Logger, pino } from 'pino'
import type { Config } from './config.ts'

/** Never in a log, down to the third level. */
const SECRETS = [
  'password',
  'currentPassword',
  'newPassword',
  'password_hash',
  'authorization',
  'accessToken',
  'refreshToken',
  'access_token',
  'refresh_token',
  'secret',
]

/** What every logger leaves out, the one of tests as well: secrets, and what a driver attaches to an error. */
export const DISCREET = {
  redact: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
  serializers: { err: serializeError },
}

const INFO = 30

/** Characters and time after which lines are written. */
const LONGEST_BATCH = 16_384
const BATCH_MILLISECONDS = 50
/** Bytes that wait while nothing can be written; batches that come then are lost. */
const LONGEST_BACKLOG = 1_048_576

/** A logger to standard output: a JSON line each, or readable lines in a terminal. */
export function createLogger({ level, pretty }: Config['log']): Logger {
  const options = {
    level,
    ...DISCREET,
    formatters: { level: (label: string) => ({ level: label }) },
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
  }
  if (pretty) {
    const lines = {
      translateTime: 'HH:MM:ss',
      messageFormat: '{msg}{method} {path} {status}',
      ignore: 'method,path,status,address',
      singleLine: true,
    }
    return pino({ ...options, transport: { target: 'pino-pretty', options: lines } })
  }
  return pino(options, standardOutput())
}

/**
 * Ordinary lines are written together: one write for each cost an eighth of all CPU under load. Warnings and errors take them along at once, and so
 * does the end of the process, so that only a killed one loses its last ordinary lines. They are put together here, since sonic-boom measures all that
 * wait there with each line that comes: that was half of what a line costs by itself. A full disk and a reader that has gone cost lines, never
 * requests (test/log.test.ts, test/http/unwritable-log.test.ts).
 */
function standardOutput(): DestinationStream {
  const output = pino.destination({ sync: true, maxLength: LONGEST_BACKLOG })
  output.on('error', () => undefined)
  // It does not try to write what waits when it drops what comes: that would stay so for ever.
  output.on('drop', () => output.write(''))
  let lines = ''
  let timer: NodeJS.Timeout | undefined
  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    const batch = lines
    lines = ''
    output.write(batch)
  }
  process.on('exit', flush)
  return {
    // Has pino set lastLevel before each write.
    [Symbol.for('pino.metadata')]: true,
    lastLevel: 0,
    write(line: string) {
      lines += line
      if (this.lastLevel > INFO || lines.length >= LONGEST_BATCH) flush()
      else timer ??= setTimeout(flush, BATCH_MILLISECONDS)
    },
  } as DestinationStream & { lastLevel: number }
}

/** An error without what a driver attaches to it: statements, parameters and the details that quote rows. */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error)
  const { name, message, stack, cause } = error
  const code = 'code' in error ? error.code : undefined
  return {
    name,
    message,
    code,
    stack,
    ...(cause !== undefined && { cause: serializeError(cause) }),
  }
}
