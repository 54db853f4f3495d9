import { BoundedMap } from '../bounded-map.ts'
import type { Principal } from '../contract/types.ts'
import type { Notifications } from '../database/notifications.ts'

/** Who is behind a session or an API token, until it expires. */
export type LivePrincipal = Readonly<{ principal: Principal; expiresAt: number }>

/** How many are remembered. */
const MOST_REMEMBERED = 10_000

/**
 * Who is behind the sessions, or behind the API tokens, without a query on the hot path. What is remembered is used only while the instance hears all
 * revocations (Notifications), and forgotten the moment one arrives. Guarded by test/auth/two-instances.test.ts.
 */
export class LivePrincipals<Found extends LivePrincipal> {
  readonly #notifications: Notifications
  readonly #lookUp: (userId: string, id: string) => Promise<Found | undefined>
  readonly #remembered = new BoundedMap<string, Found>(MOST_REMEMBERED)
  #revocations = 0
  #hits = 0
  #misses = 0

  /**
   * @param kind what a message about one of them begins with
   * @param lookUp finds one in the database; undefined for one that has ended or expired, or whose user is disabled or gone
   */
  constructor(notifications: Notifications, kind: 'session' | 'api-token', lookUp: (userId: string, id: string) => Promise<Found | undefined>) {
    this.#notifications = notifications
    this.#lookUp = lookUp
    const one = `${kind}:`
    notifications.subscribe((message) => {
      if (message?.startsWith(one) === true) this.#forget(message.slice(one.length))
      else if (message === undefined) this.#forgetAll()
      else if (message.startsWith('user:')) this.#forgetUser(message.slice('user:'.length))
    })
  }

  /** How many were found here since the start, and how many had to be looked up. */
  get lookups(): Readonly<{ hits: number; misses: number }> {
    return { hits: this.#hits, misses: this.#misses }
  }

  find(userId: string, id: string): Found | Promise<Found | undefined> {
    const found = this.#remembered.get(id)
    if (found === undefined || found.principal.id !== userId || found.expiresAt <= Date.now() || !this.#notifications.isCurrent()) {
      this.#misses += 1
      return this.#findAnew(userId, id)
    }
    this.#hits += 1
    return found
  }

  async #findAnew(userId: string, id: string): Promise<Found | undefined> {
    const before = this.#revocations
    const found = await this.#lookUp(userId, id)
    // A revocation that came in since the query began may be of this very one: then it is not remembered.
    if (found !== undefined && before === this.#revocations) this.#remembered.set(id, found)
    return found
  }

  #forget(id: string): void {
    this.#revocations += 1
    this.#remembered.delete(id)
  }

  #forgetUser(userId: string): void {
    this.#revocations += 1
    for (const [id, { principal }] of this.#remembered) if (principal.id === userId) this.#remembered.delete(id)
  }

  #forgetAll(): void {
    this.#revocations += 1
    this.#remembered.clear()
  }
}
