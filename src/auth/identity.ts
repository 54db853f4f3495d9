import type { JWT } from '@fastify/jwt'
import { Sample } from '../audit/sample.ts'
import type { Context } from '../context.ts'
import type { Authenticator, Principal } from '../contract/types.ts'
import { unauthenticated } from '../problem.ts'
import { AccessTokens } from './access-tokens.ts'
import { LastUses } from './last-uses.ts'
import { type LivePrincipal, LivePrincipals } from './live-principals.ts'
import { LoginThrottle } from './login-throttle.ts'
import { Passwords } from './passwords.ts'
import { findLiveSession, updateLastUses } from './queries.ts'
import { RefreshTokens } from './refresh-tokens.ts'
import { scopesNow } from './scopes.ts'
import { SessionKeeper } from './sessions.ts'

/** What knows who somebody is: made once for each server. */
export type Identity = Readonly<{
  passwords: Passwords
  throttle: LoginThrottle
  /** Which tries that came too early are kept in the audit log. */
  throttled: Sample
  sessions: SessionKeeper
  lastUses: LastUses
  accessTokens: Authenticator
  live: LivePrincipals<LivePrincipal>
}>

export function createIdentity({ config, db, notifications, keys, logger }: Context, jwt: JWT): Identity {
  const accessTokens = new AccessTokens(jwt, keys.accessToken)
  const lastUses = new LastUses((uses) => updateLastUses(db, 'sessions', uses), logger)
  const liveSessions = new LivePrincipals(notifications, 'session', async (userId, id) => {
    const row = await findLiveSession(db, userId, id)
    if (row === undefined) return undefined
    const scopes = scopesNow(row, row.scopes, config.auth.requireVerifiedEmail)
    const principal: Principal = { id: userId, role: row.role, ...scopes, sessionId: id, apiTokenId: undefined }
    return { principal, expiresAt: Date.parse(row.expires_at) }
  })
  return {
    passwords: new Passwords(config.auth.passwordHash),
    throttled: new Sample(),
    throttle: new LoginThrottle(db, keys.loginThrottle[0].bytes, config.auth.loginThrottle),
    sessions: new SessionKeeper(config.auth, accessTokens, new RefreshTokens(keys.refreshToken), notifications),
    lastUses,
    live: liveSessions,
    accessTokens: {
      recognises: (token) => !token.startsWith(API_TOKEN_PREFIX),
      authenticate(token) {
        const { sub, sid } = accessTokens.verify(token)
        const check = (found: LivePrincipal | undefined) => {
          if (found === undefined) throw unauthenticated('The session of this access token has ended.')
          lastUses.note(sub, sid)
          return found.principal
        }
        const found = liveSessions.find(sub, sid)
        return found instanceof Promise ? found.then(check) : check(found)
      },
    },
  }
}

/** What API tokens begin with, so that they can be told from all others, here and by those who look for secrets in code. */
export const API_TOKEN_PREFIX = 'dkt_'
