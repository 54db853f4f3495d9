import { type Logger, pino } from 'pino'
import type { Config } from './config.ts'

/** Never in a log, at whatever depth of two it turns up. */
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

/** A logger to standard output: a JSON line each, or readable lines in a terminal. */
export function createLogger({ level, pretty }: Config['log']): Logger {
  const options = {
    level,
    redact: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
    serializers: { err: serializeError },
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
  return pino(options)
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
