import type { components } from '../../generated/api.ts'
import { eventRow, recordEvent, storable } from '../audit/events.ts'
import type { AuthConfig } from '../config.ts'
import type { Client } from '../contract/types.ts'
import type { Database, Transaction } from '../database/database.ts'
import type { Notifications } from '../database/notifications.ts'
import { newId } from '../id.ts'
import { presentUser } from '../users/presenter.ts'
import { findUser, type UserRow, type UserWithPassword } from '../users/queries.ts'
import type { AccessTokens } from './access-tokens.ts'
import { insertSession, updateRefreshCounter, updateReusedSession } from './queries.ts'
import type { RefreshTokens } from './refresh-tokens.ts'
import { effectiveScopes } from './scopes.ts'

/** How long the last token before the newest may still be sent again, by a client that lost the answer. */
const GRACE_SECONDS = 30

/** A session with tokens for it. */
export type Login = Readonly<{
  user: UserRow
  accessToken: string
  refreshToken: string
  expiresIn: number
  scope: string
}>

/** Starts, prolongs and ends sessions. */
export class SessionKeeper {
  readonly #settings: AuthConfig
  readonly #accessTokens: AccessTokens
  readonly #refreshTokens: RefreshTokens
  readonly #notifications: Notifications

  constructor(settings: AuthConfig, accessTokens: AccessTokens, refreshTokens: RefreshTokens, notifications: Notifications) {
    this.#settings = settings
    this.#accessTokens = accessTokens
    this.#refreshTokens = refreshTokens
    this.#notifications = notifications
  }

  /** @returns undefined if the user is disabled or gone, or has another password by now */
  async start(db: Database, user: UserWithPassword, scopes: readonly string[], client: Client): Promise<Login | undefined> {
    const id = newId()
    const now = Date.now()
    const session = {
      id,
      scopes: [...scopes],
      idle_expires_at: new Date(now + this.#settings.refreshIdleSeconds * 1000).toISOString(),
      expires_at: new Date(now + this.#settings.refreshAbsoluteSeconds * 1000).toISOString(),
      user_agent: storable(client.userAgent, 255),
      ip_address: storable(client.address, 45),
    }
    const event = eventRow(client, { action: 'login.succeeded', userId: user.id, actor: { id: user.id, sessionId: id } })
    return (await insertSession(db, user, session, event)) ? this.#login(user, id, 0, scopes) : undefined
  }

  /**
   * Exchanges a refresh token for the next pair. Rotation is one UPDATE, so of many requests at once one moves the counter on and the others,
   * within the grace, get the same successor (test/auth/refresh.test.ts).
   * @returns undefined for a token that is unknown, expired, used or revoked; a used one ends its session
   */
  async refresh(db: Database, token: string, client: Client): Promise<Login | undefined> {
    const content = this.#refreshTokens.decode(token)
    if (content === undefined) return undefined
    const { userId, sessionId, counter } = content
    const rotated =
      (await updateRefreshCounter(db, userId, sessionId, counter, this.#settings.refreshIdleSeconds)) ??
      (await this.#reuse(db, userId, sessionId, counter, client))
    const user = rotated && (await findUser(db, userId))
    if (rotated === undefined || user === undefined || user.disabled_at !== null) return undefined
    return this.#login(user, sessionId, rotated.refresh_counter, [...effectiveScopes(user.role, rotated.scopes)])
  }

  /**
   * Runs what ends sessions or changes what their user may do (revokeSession, revokeSessions, announceUser). When it resolves, no instance acts on what
   * was true before: at once where all are listening, after some 3 seconds (the lease in database/listener.ts) where one has lost its connection.
   */
  async ending<Result>(db: Database, write: (trx: Transaction) => Promise<Result>): Promise<Result> {
    const result = await db.transaction().execute(write)
    await this.#notifications.settle()
    return result
  }

  async #reuse(db: Database, userId: string, sessionId: string, counter: number, client: Client) {
    const reused = await db.transaction().execute(async (trx) => {
      const session = await updateReusedSession(trx, userId, sessionId, counter, GRACE_SECONDS)
      // Who sent it is not known: the owner, or whoever has stolen it from them.
      if (session?.revoked_at != null)
        await recordEvent(trx, client, { action: 'session.refresh_token_reused', userId, actor: { id: userId, sessionId }, objectId: sessionId })
      return session
    })
    if (reused?.revoked_at == null) return reused
    await this.#notifications.settle()
    return undefined
  }

  #login(user: UserRow, sessionId: string, counter: number, scopes: readonly string[]): Login {
    return {
      user,
      accessToken: this.#accessTokens.sign(user.id, sessionId),
      refreshToken: this.#refreshTokens.encode({
        userId: user.id,
        sessionId,
        counter,
      }),
      expiresIn: this.#settings.accessTokenSeconds,
      scope: scopes.join(' '),
    }
  }
}

export function presentLogin({ user, accessToken, refreshToken, expiresIn, scope }: Login): components['schemas']['AuthResult'] {
  return {
    user: presentUser(user),
    accessToken,
    tokenType: 'Bearer',
    expiresIn,
    refreshToken,
    scope,
  }
}
