import type { components } from '../../generated/api.ts'
import type { AuthConfig } from '../config.ts'
import type { Database } from '../database/database.ts'
import { newId } from '../id.ts'
import { presentUser } from '../users/presenter.ts'
import { findUser, type UserRow } from '../users/queries.ts'
import type { AccessTokens } from './access-tokens.ts'
import type { LiveSessions } from './live-sessions.ts'
import { insertSession, revokeSession, updateRefreshCounter, updateReusedSession } from './queries.ts'
import type { RefreshTokens } from './refresh-tokens.ts'
import { scopesOf } from './scopes.ts'

/** How long the last token before the newest may still be sent again, by a client that lost the answer. */
const GRACE_SECONDS = 30

export type Client = Readonly<{
  address: string
  userAgent: string | undefined
}>

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
  readonly #liveSessions: LiveSessions

  constructor(settings: AuthConfig, accessTokens: AccessTokens, refreshTokens: RefreshTokens, liveSessions: LiveSessions) {
    this.#settings = settings
    this.#accessTokens = accessTokens
    this.#refreshTokens = refreshTokens
    this.#liveSessions = liveSessions
  }

  async start(db: Database, user: UserRow, scopes: readonly string[], { address, userAgent }: Client): Promise<Login> {
    const id = newId()
    const now = Date.now()
    await insertSession(db, {
      user_id: user.id,
      id,
      scopes: [...scopes],
      idle_expires_at: new Date(now + this.#settings.refreshIdleSeconds * 1000).toISOString(),
      expires_at: new Date(now + this.#settings.refreshAbsoluteSeconds * 1000).toISOString(),
      user_agent: storable(userAgent, 255),
      ip_address: storable(address, 45),
    })
    return this.#login(user, id, 0, scopes)
  }

  /**
   * Exchanges a refresh token for the next pair. Rotation is one UPDATE, so of many requests at once one moves the counter on and the others,
   * within the grace, get the same successor (test/auth/refresh.test.ts).
   * @returns undefined for a token that is unknown, expired, used or revoked; a used one ends its session
   */
  async refresh(db: Database, token: string): Promise<Login | undefined> {
    const content = this.#refreshTokens.decode(token)
    if (content === undefined) return undefined
    const { userId, sessionId, counter } = content
    const rotated =
      (await updateRefreshCounter(db, userId, sessionId, counter, this.#settings.refreshIdleSeconds)) ??
      (await this.#reuse(db, userId, sessionId, counter))
    const user = rotated && (await findUser(db, userId))
    if (rotated === undefined || user === undefined || user.disabled_at !== null) return undefined
    const allowed = scopesOf(user.role)
    return this.#login(
      user,
      sessionId,
      rotated.refresh_counter,
      rotated.scopes.filter((scope) => allowed.includes(scope)),
    )
  }

  /** Resolves when no instance accepts a token of the session any more. */
  async end(db: Database, userId: string, sessionId: string): Promise<void> {
    await revokeSession(db, userId, sessionId)
    await this.#liveSessions.revoked(sessionId)
  }

  async #reuse(db: Database, userId: string, sessionId: string, counter: number) {
    const session = await updateReusedSession(db, userId, sessionId, counter, GRACE_SECONDS)
    if (session?.revoked_at == null) return session
    await this.#liveSessions.revoked(sessionId)
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

/** Both come from headers, the address behind a proxy that is trusted: as much as there is room for. */
const storable = (text: string | undefined, length: number) => text?.slice(0, length) ?? null
