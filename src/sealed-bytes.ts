import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import type { Key, KeyRing } from './keys.ts'

const KEY_ID_LENGTH = 8
const NONCE_LENGTH = 12
const TAG_LENGTH = 16

/**
 * Secrets that have to be stored and read again: AES-256-GCM (NIST SP 800-38D) under keys that the database does not hold. What is sealed is the id of the
 * key, a nonce, the tag and the ciphertext, in this order.
 */
export class SealedBytes {
  readonly #keys: KeyRing

  constructor(keys: KeyRing) {
    this.#keys = keys
  }

  /** @param place where it is kept: it cannot be opened in another */
  seal(content: Buffer, place: string): Buffer {
    const [current] = this.#keys
    const nonce = randomBytes(NONCE_LENGTH)
    const cipher = createCipheriv('aes-256-gcm', keyOf(current, place), nonce)
    const ciphertext = Buffer.concat([cipher.update(content), cipher.final()])
    return Buffer.concat([Buffer.from(current.id, 'hex'), nonce, cipher.getAuthTag(), ciphertext])
  }

  /**
   * Undefined for what was sealed under a key that is not in the ring any more.
   * @throws when it was changed, or sealed for another place
   */
  open(sealed: Buffer, place: string): Buffer | undefined {
    const id = sealed.toString('hex', 0, KEY_ID_LENGTH)
    const key = this.#keys.find((candidate) => candidate.id === id)
    if (key === undefined) return undefined
    const [nonceEnd, tagEnd] = [KEY_ID_LENGTH + NONCE_LENGTH, KEY_ID_LENGTH + NONCE_LENGTH + TAG_LENGTH]
    const decipher = createDecipheriv('aes-256-gcm', keyOf(key, place), sealed.subarray(KEY_ID_LENGTH, nonceEnd), { authTagLength: TAG_LENGTH })
    decipher.setAuthTag(sealed.subarray(nonceEnd, tagEnd))
    return Buffer.concat([decipher.update(sealed.subarray(tagEnd)), decipher.final()])
  }
}

/** Each place has a key of its own, so that random nonces never run out: one key must not see more than 2^32 of them. */
const keyOf = ({ bytes }: Key, place: string) => createHmac('sha256', bytes).update(place).digest()
