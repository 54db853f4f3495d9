import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { KeyRing } from '../keys.ts'

/** What a refresh token stands for: the counter of a session, which each use moves on by one. */
export type RefreshTokenContent = Readonly<{
  userId: string
  sessionId: string
  counter: number
}>

const COUNTER_AT = 32
const SIGNATURE_AT = 36
const LENGTH = SIGNATURE_AT + 32
/** The column holds no greater one (sessions.refresh_counter, an int). */
const LAST_COUNTER = 2 ** 31 - 1

/**
 * Refresh tokens are derived, not stored: user, session and counter under an HMAC of 256 bits whose key the database does not hold. So a stolen
 * dump mints none, garbage is refused without a query, and a client that lost an answer can get the very same successor again.
 */
export class RefreshTokens {
  readonly #keys: readonly KeyObject[]

  constructor(keys: KeyRing) {
    this.#keys = keys.map(({ bytes }) => createSecretKey(bytes))
  }

  encode({ userId, sessionId, counter }: RefreshTokenContent): string {
    const token = Buffer.alloc(LENGTH)
    token.write(userId.replaceAll('-', '') + sessionId.replaceAll('-', ''), 'hex')
    token.writeUInt32BE(counter, COUNTER_AT)
    const [current] = this.#keys as [KeyObject]
    signatureOf(token, current).copy(token, SIGNATURE_AT)
    return token.toString('base64url')
  }

  /** Undefined for what was not made here. */
  decode(text: string): RefreshTokenContent | undefined {
    const token = Buffer.from(text, 'base64url')
    if (token.length !== LENGTH || token.toString('base64url') !== text) return undefined
    const signature = token.subarray(SIGNATURE_AT)
    if (!this.#keys.some((key) => timingSafeEqual(signature, signatureOf(token, key)))) return undefined
    const counter = token.readUInt32BE(COUNTER_AT)
    if (counter >= LAST_COUNTER) return undefined
    return {
      userId: uuid(token.subarray(0, 16)),
      sessionId: uuid(token.subarray(16, 32)),
      counter,
    }
  }
}

const signatureOf = (token: Buffer, key: KeyObject) => createHmac('sha256', key).update(token.subarray(0, SIGNATURE_AT)).digest()

const uuid = (bytes: Buffer) => bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
