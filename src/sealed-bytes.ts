import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { Key, KeyRing } from './keys.ts'

/** AES-256-GCM (NIST SP 800-38D), with a random nonce each time. */
const ALGORITHM = 'aes-256-gcm'
const KEY_ID_LENGTH = 8
const NONCE_LENGTH = 12
const TAG_LENGTH = 16

/**
 * Encrypts what the database must not hold in the clear: the id of the key, the nonce, the ciphertext and the tag.
 * @param context what it belongs to, such as the ids of its row: it opens nowhere else
 */
export function seal([current]: KeyRing, plain: Buffer, context: string): Buffer {
  const nonce = randomBytes(NONCE_LENGTH)
  const cipher = createCipheriv(ALGORITHM, current.bytes, nonce).setAAD(Buffer.from(context))
  return Buffer.concat([keyIdOf(current), nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** Undefined for what was sealed under a key that is not on the ring, or for another context, or was changed. */
export function open(keys: KeyRing, stored: Uint8Array, context: string): Buffer | undefined {
  // The embedded database knows no Buffer.
  const sealed = Buffer.from(stored)
  const key = keys.find((key) => isSealedUnder(key, sealed))
  if (key === undefined || sealed.length < KEY_ID_LENGTH + NONCE_LENGTH + TAG_LENGTH) return undefined
  const nonce = sealed.subarray(KEY_ID_LENGTH, KEY_ID_LENGTH + NONCE_LENGTH)
  const decipher = createDecipheriv(ALGORITHM, key.bytes, nonce, { authTagLength: TAG_LENGTH })
  decipher.setAAD(Buffer.from(context)).setAuthTag(sealed.subarray(-TAG_LENGTH))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(KEY_ID_LENGTH + NONCE_LENGTH, -TAG_LENGTH)), decipher.final()])
  } catch {
    return undefined
  }
}

/** What all that is sealed under the current key begins with; all else must be sealed anew before older keys are dropped. */
export const prefixOf = ([current]: KeyRing): Buffer => keyIdOf(current)

export const isSealedUnderCurrent = ([current]: KeyRing, sealed: Uint8Array): boolean => isSealedUnder(current, sealed)

const isSealedUnder = (key: Key, sealed: Uint8Array) => keyIdOf(key).equals(sealed.subarray(0, KEY_ID_LENGTH))

const keyIdOf = ({ id }: Key) => Buffer.from(id, 'hex')
