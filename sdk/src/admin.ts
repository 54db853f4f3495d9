import type { CallOptions } from './call.js'
import { listUsers } from './generated/sdk.gen.js'
import type { AdminUser, ListUsersData } from './generated/types.gen.js'
import type { Pages } from './pages.js'
import type { Transport } from './transport.js'

export type UserQuery = NonNullable<ListUsersData['query']>

/** For people with the role `admin`. */
export class Admin {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** All users that pass the filters, in the order of their registration. */
  listUsers(query: UserQuery = {}, options: CallOptions = {}): Pages<AdminUser> {
    return this.#transport.pages(({ cursor, ...wire }) => listUsers({ ...wire, query: { ...query, ...cursor } }), options)
  }
}
