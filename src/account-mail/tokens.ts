import type { MailTokenPurpose } from '../../generated/database.ts'
import type { KeyRing } from '../keys.ts'
import { invalidField } from '../problem.ts'
import { bytesOfIds, idAt, SignedBytes } from '../signed-bytes.ts'

/** What a mailed token stands for: a row of mail_tokens. */
export type MailTokenContent = Readonly<{ userId: string; id: string; purpose: MailTokenPurpose }>

const LENGTH = 32

/** The tokens in mails. They are derived from their rows whenever a mail is sent, so that no secret is stored, and a mail that is sent again is the same. */
export class MailTokens {
  readonly #signed: SignedBytes

  constructor(keys: KeyRing) {
    this.#signed = new SignedBytes(keys, LENGTH)
  }

  encode({ userId, id, purpose }: MailTokenContent): string {
    return this.#signed.encode(bytesOfIds(userId, id), purpose)
  }

  /** Undefined for what was not made here, or for none of these purposes. */
  decode(text: string, ...purposes: readonly MailTokenPurpose[]): MailTokenContent | undefined {
    for (const purpose of purposes) {
      const content = this.#signed.decode(text, purpose)
      if (content !== undefined) return { userId: idAt(content, 0), id: idAt(content, 1), purpose }
    }
    return undefined
  }
}

/** One answer for what is unknown, expired or used, and for a token whose user is disabled or gone. */
export const badMailToken = () => invalidField('body', '/token', 'token', 'is unknown, expired or used')
