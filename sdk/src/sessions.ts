import type { Answer, Call, CallOptions } from './call.js'
import { listSessions, revokeOtherSessions, revokeSession } from './generated/sdk.gen.js'
import type { Session } from './generated/types.gen.js'
import type { PageQuery } from './lists.js'
import type { Pages } from './pages.js'
import type { Transport } from './transport.js'

export class Sessions {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Where you are logged in, in the order of the logins. */
  list(query: PageQuery = {}, options: CallOptions = {}): Pages<Session> {
    return this.#transport.pages(({ cursor, ...wire }) => listSessions({ ...wire, query: { ...query, ...cursor } }), options)
  }

  /** Logs one of your sessions out. */
  revoke(sessionId: string, options: CallOptions = {}): Call<Answer<void>> {
    return this.#transport.call((wire) => revokeSession({ ...wire, path: { sessionId } }), options)
  }

  /** Logs you out everywhere else. */
  revokeOthers(options: CallOptions = {}): Call<Answer<void>> {
    return this.#transport.call((wire) => revokeOtherSessions(wire), options)
  }
}
