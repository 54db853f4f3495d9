import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import type { Key, KeyRing } from './keys.ts'

/** AES-256-GCM (NIST SP 800-38D), with a random nonce each time. */
const ALGORITHM = 'aes-256-gcm'
const KEY_ID_LENGTH = 8
const NONCE_LENGTH = 12
const TAG_LENGTH = 16

/**
 * Secrets that have to be stored and read again, under keys that the database does not hold. What is sealed is the id of the key, a nonce, the tag and the
 * ciphertext, in this order.
 */
export class SealedBytes {
  readonly #keys: KeyRing

  constructor(keys: KeyRing) {
    this.#keys = keys
  }

  /** What all that is sealed under the current key begins with; all else must be sealed anew before older keys are dropped. */
  get prefix(): Buffer {
    return Buffer.from(this.#keys[0].id, 'hex')
  }

  isSealedUnderCurrent(sealed: Uint8Array): boolean {
    return this.prefix.equals(sealed.subarray(0, KEY_ID_LENGTH))
  }

  /** @param place where it is kept: it cannot be opened in another */
  seal(content: Buffer, place: string): Buffer {
    const nonce = randomBytes(NONCE_LENGTH)
    const cipher = createCipheriv(ALGORITHM, keyOf(this.#keys[0], place), nonce)
    const ciphertext = Buffer.concat([cipher.update(content), cipher.final()])
    return Buffer.concat([this.prefix, nonce, cipher.getAuthTag(), ciphertext])
  }

  /** Undefined for what was sealed under a key that is not in the ring any more, or for another place, or was changed. */
  open(stored: Uint8Array, place: string): Buffer | undefined {
    // The embedded database knows no Buffer.
    const sealed = Buffer.from(stored)
    const id = sealed.toString('hex', 0, KEY_ID_LENGTH)
    const key = this.#keys.find((candidate) => candidate.id === id)
    const [nonceEnd, tagEnd] = [KEY_ID_LENGTH + NONCE_LENGTH, KEY_ID_LENGTH + NONCE_LENGTH + TAG_LENGTH]
    if (key === undefined || sealed.length < tagEnd) return undefined
    const decipher = createDecipheriv(ALGORITHM, keyOf(key, place), sealed.subarray(KEY_ID_LENGTH, nonceEnd), { authTagLength: TAG_LENGTH })
    decipher.setAuthTag(sealed.subarray(nonceEnd, tagEnd))
    try {
      return Buffer.concat([decipher.update(sealed.subarray(tagEnd)), decipher.final()])
    } catch {
      return undefined
    }
  }
}

/** Each place has a key of its own, so that random nonces never run out: one key must not see more than 2^32 of them. */
const keyOf = ({ bytes }: Key, place: string) => createHmac('sha256', bytes).update(place).digest()
