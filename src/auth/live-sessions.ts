import type { Principal } from '../contract/types.ts'
import type { Database } from '../database/database.ts'
import type { Notifications } from '../database/notifications.ts'
import { findLiveSession } from './queries.ts'
import { scopesOf } from './scopes.ts'

type LiveSession = Readonly<{ principal: Principal; expiresAt: number }>

/** How many sessions are remembered; the oldest goes first. */
const MOST_REMEMBERED = 10_000

/**
 * Who is behind a session, without a query on the hot path. What is remembered is used only while the instance hears all revocations
 * (Notifications), and forgotten the moment one arrives. Guarded by test/auth/two-instances.test.ts.
 */
export class LiveSessions {
  readonly #db: Database
  readonly #notifications: Notifications
  readonly #remembered = new Map<string, LiveSession>()
  #revocations = 0

  constructor(db: Database, notifications: Notifications) {
    this.#db = db
    this.#notifications = notifications
    notifications.subscribe((message) => {
      if (message === undefined) this.#forgetAll()
      else if (message.startsWith('session:')) this.#forget(message.slice('session:'.length))
      else if (message.startsWith('user:')) this.#forgetAll()
    })
  }

  /** Undefined for a session that has ended or expired, or whose user is disabled or gone. */
  find(userId: string, sessionId: string): Principal | Promise<Principal | undefined> {
    const session = this.#remembered.get(sessionId)
    if (session === undefined || session.principal.id !== userId || session.expiresAt <= Date.now() || !this.#notifications.isCurrent()) {
      return this.#lookUp(userId, sessionId)
    }
    return session.principal
  }

  /** To be called after a session was revoked in the database: resolves when no instance takes it for live any more. */
  async revoked(sessionId: string): Promise<void> {
    this.#forget(sessionId)
    await this.#notifications.settle()
  }

  async #lookUp(userId: string, sessionId: string): Promise<Principal | undefined> {
    const before = this.#revocations
    const row = await findLiveSession(this.#db, userId, sessionId)
    if (row === undefined) return undefined
    const allowed = scopesOf(row.role)
    const principal: Principal = {
      id: userId,
      sessionId,
      role: row.role,
      scopes: new Set(row.scopes.filter((scope) => allowed.includes(scope))),
    }
    // A revocation that came in since the query began may be of this very session: then it is not remembered.
    if (before === this.#revocations)
      this.#remember(sessionId, {
        principal,
        expiresAt: Date.parse(row.expires_at),
      })
    return principal
  }

  #remember(sessionId: string, session: LiveSession): void {
    if (this.#remembered.size >= MOST_REMEMBERED) for (const oldest of this.#remembered.keys()) if (this.#remembered.delete(oldest)) break
    this.#remembered.set(sessionId, session)
  }

  #forget(sessionId: string): void {
    this.#revocations += 1
    this.#remembered.delete(sessionId)
  }

  #forgetAll(): void {
    this.#revocations += 1
    this.#remembered.clear()
  }
}
