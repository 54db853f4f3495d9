import { hkdfSync, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Config } from './config.ts'

/** A key of 256 bits, and the id by which what it signed or sealed names it. */
export type Key = Readonly<{ id: string; bytes: Buffer }>

/** The key that signs or seals, and before it those that did: they verify and open until what they made has expired. */
export type KeyRing = readonly [current: Key, ...previous: Key[]]

/** A ring for each purpose, all derived from the secrets of the settings (HKDF, RFC 5869). */
export type Keys = Readonly<{
  accessToken: KeyRing
  refreshToken: KeyRing
  cursor: KeyRing
  mailToken: KeyRing
  loginThrottle: KeyRing
  idempotencyFingerprint: KeyRing
  idempotencyAnswer: KeyRing
  webhookSecret: KeyRing
}>

export type Secrets = readonly [current: string, ...previous: string[]]

export function deriveKeys([current, ...previous]: Secrets): Keys {
  const ring = (purpose: string): KeyRing => [keyOf(current, purpose), ...previous.map((secret) => keyOf(secret, purpose))]
  return {
    accessToken: ring('access token'),
    refreshToken: ring('refresh token'),
    cursor: ring('cursor'),
    mailToken: ring('mail token'),
    loginThrottle: ring('login throttle'),
    idempotencyFingerprint: ring('idempotency fingerprint'),
    idempotencyAnswer: ring('idempotency answer'),
    webhookSecret: ring('webhook secret'),
  }
}

const keyOf = (secret: string, purpose: string): Key => ({ id: keyIdOf(secret), bytes: derive(secret, purpose, 32) })

/** Tells one secret from another and says nothing else about it. */
export const keyIdOf = (secret: string): string => derive(secret, 'key id', 8).toString('hex')

const derive = (secret: string, purpose: string, bytes: number) => Buffer.from(hkdfSync('sha256', secret, '', `docket ${purpose}`, bytes))

/** The secrets of the settings; in embedded mode without any, a random one that is kept beside the data, readable by its owner alone. */
export function readSecrets({ auth, database }: Config): Secrets {
  if (auth.secrets !== undefined) return auth.secrets
  if (database.kind === 'server' || database.directory === undefined) return [randomBytes(48).toString('base64url')]
  mkdirSync(database.directory, { recursive: true, mode: 0o700 })
  const file = path.join(database.directory, 'secret')
  if (!existsSync(file)) {
    // It gets its name when it is whole: a kill in between must not leave an empty secret, with which anybody could make tokens.
    writeFileSync(`${file}.new`, randomBytes(48).toString('base64url'), { mode: 0o600, flush: true })
    renameSync(`${file}.new`, file)
  }
  return [readFileSync(file, 'utf8')]
}
