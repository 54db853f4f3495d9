import { randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import type { KeyRing } from '../keys.ts'
import { SealedBytes } from '../sealed-bytes.ts'

const BYTES = 32

/** Which webhook a secret belongs to: it opens for no other. */
export type SecretOwner = Readonly<{ ownerId: string; webhookId: string }>

const placeOf = ({ ownerId, webhookId }: SecretOwner) => `webhook ${ownerId} ${webhookId}`

/** @returns secret: to be shown once, in the form of the Standard Webhooks specification; sealed: to be stored */
export function newSecret(keys: KeyRing, owner: SecretOwner): { secret: string; sealed: Buffer } {
  const bytes = randomBytes(BYTES)
  return { secret: `whsec_${bytes.toString('base64')}`, sealed: new SealedBytes(keys).seal(bytes, placeOf(owner)) }
}

/** The value of `webhook-signature`, one signature for each secret; undefined when none of them can be opened any more. */
export function signatureOf(
  keys: KeyRing,
  owner: SecretOwner,
  sealed: readonly Buffer[],
  id: string,
  timestamp: Date,
  body: string,
): string | undefined {
  const secrets = sealed.map((bytes) => new SealedBytes(keys).open(bytes, placeOf(owner))).filter((secret) => secret !== undefined)
  if (secrets.length === 0) return undefined
  return secrets.map((secret) => new Webhook(secret.toString('base64')).sign(id, timestamp, body)).join(' ')
}

/** The same under the current key; undefined where it is so already, or cannot be opened. */
export function sealedAnew(keys: KeyRing, owner: SecretOwner, sealed: Buffer): Buffer | undefined {
  const seals = new SealedBytes(keys)
  if (seals.isSealedUnderCurrent(sealed)) return undefined
  const secret = seals.open(sealed, placeOf(owner))
  return secret && seals.seal(secret, placeOf(owner))
}
