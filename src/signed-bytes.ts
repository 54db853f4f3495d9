import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { KeyRing } from './keys.ts'

const SIGNATURE_LENGTH = 32

/**
 * Tokens that are derived, not stored: content of a fixed length under an HMAC of 256 bits whose key the database does not hold. So a stolen dump mints
 * none, garbage is refused without a query, and the very same token can be made again.
 */
export class SignedBytes {
  readonly #keys: readonly KeyObject[]
  readonly #length: number

  constructor(keys: KeyRing, length: number) {
    this.#keys = keys.map(({ bytes }) => createSecretKey(bytes))
    this.#length = length
  }

  /** @param purpose makes tokens of the same content differ; it is not part of them */
  encode(content: Buffer, purpose = ''): string {
    const [current] = this.#keys as [KeyObject]
    return Buffer.concat([content, signatureOf(content, purpose, current)]).toString('base64url')
  }

  /** Undefined for what was not made here, or for another purpose. */
  decode(text: string, purpose = ''): Buffer | undefined {
    const token = Buffer.from(text, 'base64url')
    // Without the comparison a token whose last character has spare bits set would be another text for the same bytes.
    if (token.length !== this.#length + SIGNATURE_LENGTH || token.toString('base64url') !== text) return undefined
    const content = token.subarray(0, this.#length)
    const signature = token.subarray(this.#length)
    return this.#keys.some((key) => timingSafeEqual(signature, signatureOf(content, purpose, key))) ? content : undefined
  }
}

const signatureOf = (content: Buffer, purpose: string, key: KeyObject) => createHmac('sha256', key).update(content).update(purpose).digest()

export const bytesOfIds = (...ids: string[]): Buffer => Buffer.from(ids.join('').replaceAll('-', ''), 'hex')

/** @param index of the id among those that the bytes begin with */
export const idAt = (bytes: Buffer, index: number): string =>
  bytes.toString('hex', index * 16, index * 16 + 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
