import type { Answer, Call, CallOptions } from './call.js'
import { getLiveness, getReadiness } from './generated/sdk.gen.js'
import type { Liveness, Readiness } from './generated/types.gen.js'
import type { Transport } from './transport.js'

export class Health {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Whether the process runs. */
  getLiveness(options: CallOptions = {}): Call<Answer<Liveness>> {
    return this.#transport.call((wire) => getLiveness(wire), options)
  }

  /** Whether the server can serve. The report of one that cannot is an answer as well (status 503): a monitor wants to read it, not to have the call repeated. */
  getReadiness(options: CallOptions = {}): Call<Answer<Readiness>> {
    return this.#transport.call((wire) => getReadiness(wire), options, { answer: 503 })
  }
}
