import type { KeyRing } from '../keys.ts'
import { bytesOfIds, idAt, SignedBytes } from '../signed-bytes.ts'

/** What a refresh token stands for: the counter of a session, which each use moves on by one. */
export type RefreshTokenContent = Readonly<{
  userId: string
  sessionId: string
  counter: number
}>

const COUNTER_AT = 32
const LENGTH = COUNTER_AT + 4
/** The column holds no greater one (sessions.refresh_counter, an int). */
const LAST_COUNTER = 2 ** 31 - 1

/** Refresh tokens are derived, not stored, so a client that lost an answer can get the very same successor again. */
export class RefreshTokens {
  readonly #signed: SignedBytes

  constructor(keys: KeyRing) {
    this.#signed = new SignedBytes(keys, LENGTH)
  }

  encode({ userId, sessionId, counter }: RefreshTokenContent): string {
    const content = Buffer.alloc(LENGTH)
    bytesOfIds(userId, sessionId).copy(content)
    content.writeUInt32BE(counter, COUNTER_AT)
    return this.#signed.encode(content)
  }

  /** Undefined for what was not made here. */
  decode(text: string): RefreshTokenContent | undefined {
    const content = this.#signed.decode(text)
    const counter = content?.readUInt32BE(COUNTER_AT) ?? LAST_COUNTER
    if (content === undefined || counter >= LAST_COUNTER) return undefined
    return { userId: idAt(content, 0), sessionId: idAt(content, 1), counter }
  }
}
