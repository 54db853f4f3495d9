import type { Answer, Call, CallOptions } from './call.js'
import { changeEmail, changePassword, deleteMe } from './generated/sdk.gen.js'
import type { CurrentPassword, EmailChange, PasswordChange } from './generated/types.gen.js'
import type { Transport } from './transport.js'

export class Account {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Sets a new password and ends all your other sessions. A client that was created with the old one goes on until its session is over. */
  changePassword(change: PasswordChange, options: CallOptions = {}): Call<Answer<void>> {
    return this.#transport.call((wire) => changePassword({ ...wire, body: change }), options)
  }

  /** Has a token mailed to a new address, which becomes yours when that is given to `auth.verifyEmail`. */
  changeEmail(change: EmailChange, options: CallOptions = {}): Call<Answer<void>> {
    return this.#transport.call((wire) => changeEmail({ ...wire, body: change }), options)
  }

  /** Deletes you and all that is yours, for good: this client is nobody's from then on. */
  deleteMe(confirmation: CurrentPassword, options: CallOptions = {}): Call<Answer<void>> {
    const answer = this.#transport.send<Answer<void>>((wire) => deleteMe({ ...wire, body: confirmation }), options)
    return this.#transport.becoming(answer, () => undefined)
  }
}
