import type { Answer, Call, CallOptions, CreateOptions } from './call.js'
import { createApiToken, listApiTokens, revokeApiToken } from './generated/sdk.gen.js'
import type { ApiToken, CreatedApiToken, NewApiToken } from './generated/types.gen.js'
import type { PageQuery } from './lists.js'
import type { Pages } from './pages.js'
import type { Transport } from './transport.js'

export class ApiTokens {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Your API tokens in the order of their creation, without their secrets. */
  list(query: PageQuery = {}, options: CallOptions = {}): Pages<ApiToken> {
    return this.#transport.pages(({ cursor, ...wire }) => listApiTokens({ ...wire, query: { ...query, ...cursor } }), options)
  }

  /** Makes a token for a program: the `token` of a client of its own. It is shown this once. */
  create(token: NewApiToken, options: CreateOptions = {}): Call<Answer<CreatedApiToken>> {
    return this.#transport.call((wire) => createApiToken({ ...wire, body: token }), options, { keyed: true })
  }

  /** From the answer on, every instance of the server refuses the token. */
  revoke(tokenId: string, options: CallOptions = {}): Call<Answer<void>> {
    return this.#transport.call((wire) => revokeApiToken({ ...wire, path: { tokenId } }), options)
  }
}
