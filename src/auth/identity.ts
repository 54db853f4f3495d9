import type { JWT } from '@fastify/jwt'
import type { Context } from '../context.ts'
import type { Authenticate } from '../contract/types.ts'
import { unauthenticated } from '../problem.ts'
import { AccessTokens } from './access-tokens.ts'
import { LiveSessions } from './live-sessions.ts'
import { LoginThrottle } from './login-throttle.ts'
import { Passwords } from './passwords.ts'
import { RefreshTokens } from './refresh-tokens.ts'
import { SessionKeeper } from './sessions.ts'

/** What knows who somebody is: made once for each server. */
export type Identity = Readonly<{
  passwords: Passwords
  throttle: LoginThrottle
  sessions: SessionKeeper
  authenticate: Authenticate
}>

export function createIdentity({ config, db, notifications, keys }: Context, jwt: JWT): Identity {
  const accessTokens = new AccessTokens(jwt)
  const liveSessions = new LiveSessions(db, notifications)
  const ended = () => unauthenticated('The session of this access token has ended.')
  return {
    passwords: new Passwords(config.auth.passwordHash),
    throttle: new LoginThrottle(db, keys.loginThrottle, config.auth.loginThrottle),
    sessions: new SessionKeeper(config.auth, accessTokens, new RefreshTokens(keys.refreshToken), liveSessions),
    authenticate(token) {
      const { sub, sid } = accessTokens.verify(token)
      const principal = liveSessions.find(sub, sid)
      if (!(principal instanceof Promise)) return principal
      return principal.then((found) => {
        if (found === undefined) throw ended()
        return found
      })
    },
  }
}
