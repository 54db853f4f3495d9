import type { Answer, Call, CallOptions } from './call.js'
import { deleteUser, getUser, listAuditEvents, listDeadJobs, listUsers, updateUser } from './generated/sdk.gen.js'
import type { AdminUser, AdminUserPatch, AuditEvent, DeadJob, ListAuditEventsData, ListDeadJobsData, ListUsersData } from './generated/types.gen.js'
import type { Pages } from './pages.js'
import type { Transport } from './transport.js'

export type UserQuery = NonNullable<ListUsersData['query']>
export type AuditQuery = NonNullable<ListAuditEventsData['query']>
export type DeadJobQuery = NonNullable<ListDeadJobsData['query']>

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

  getUser(userId: string, options: CallOptions = {}): Call<Answer<AdminUser>> {
    return this.#transport.call((wire) => getUser({ ...wire, path: { userId } }), options)
  }

  /** Promotes, demotes, disables or enables somebody, at once and everywhere. */
  updateUser(userId: string, patch: AdminUserPatch, options: CallOptions = {}): Call<Answer<AdminUser>> {
    return this.#transport.call((wire) => updateUser({ ...wire, path: { userId }, body: patch }), options)
  }

  /** Deletes somebody with all that is theirs, for good. */
  deleteUser(userId: string, options: CallOptions = {}): Call<Answer<void>> {
    return this.#transport.call((wire) => deleteUser({ ...wire, path: { userId } }), options)
  }

  /** What has happened to accounts, the newest first. */
  listAuditEvents(query: AuditQuery = {}, options: CallOptions = {}): Pages<AuditEvent> {
    return this.#transport.pages(({ cursor, ...wire }) => listAuditEvents({ ...wire, query: { ...query, ...cursor } }), options)
  }

  /** The background jobs that were given up, the newest first. */
  listDeadJobs(query: DeadJobQuery = {}, options: CallOptions = {}): Pages<DeadJob> {
    return this.#transport.pages(({ cursor, ...wire }) => listDeadJobs({ ...wire, query: { ...query, ...cursor } }), options)
  }
}
