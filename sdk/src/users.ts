import type { Answer, Call, CallOptions } from './call.js'
import { getMe, updateMe } from './generated/sdk.gen.js'
import type { User, UserPatch } from './generated/types.gen.js'
import type { Transport } from './transport.js'

export class Users {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Your profile. */
  getMe(options: CallOptions = {}): Call<Answer<User>> {
    return this.#transport.call((wire) => getMe(wire), options)
  }

  /** Changes your username, your time zone, or both. */
  updateMe(patch: UserPatch, options: CallOptions = {}): Call<Answer<User>> {
    return this.#transport.call((wire) => updateMe({ ...wire, body: patch }), options)
  }
}
