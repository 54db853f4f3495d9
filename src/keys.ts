import { hkdfSync, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Config } from './config.ts'

/** Keys of 256 bits, one for each purpose, all derived from the one secret (HKDF, RFC 5869). */
export type Keys = Readonly<{
  accessToken: Buffer
  refreshToken: Buffer
  cursor: Buffer
  loginThrottle: Buffer
}>

export function deriveKeys(secret: string): Keys {
  const key = (purpose: string) => Buffer.from(hkdfSync('sha256', secret, '', `docket ${purpose}`, 32))
  return {
    accessToken: key('access token'),
    refreshToken: key('refresh token'),
    cursor: key('cursor'),
    loginThrottle: key('login throttle'),
  }
}

/** The secret of the settings; in embedded mode without one, a random one that is kept beside the data, readable by its owner alone. */
export function readSecret({ auth, database }: Config): string {
  if (auth.secret !== undefined) return auth.secret
  if (database.kind === 'server' || database.directory === undefined) return randomBytes(48).toString('base64url')
  mkdirSync(database.directory, { recursive: true, mode: 0o700 })
  const file = path.join(database.directory, 'secret')
  if (!existsSync(file)) {
    // It gets its name when it is whole: a kill in between must not leave an empty secret, with which anybody could make tokens.
    writeFileSync(`${file}.new`, randomBytes(48).toString('base64url'), { mode: 0o600, flush: true })
    renameSync(`${file}.new`, file)
  }
  return readFileSync(file, 'utf8')
}
