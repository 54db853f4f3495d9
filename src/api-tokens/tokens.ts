import { timingSafeEqual } from 'node:crypto'
import { API_TOKEN_PREFIX } from '../auth/identity.ts'
import { LastUses } from '../auth/last-uses.ts'
import { type LivePrincipal, LivePrincipals } from '../auth/live-principals.ts'
import { updateLastUses } from '../auth/queries.ts'
import { scopesNow } from '../auth/scopes.ts'
import { BoundedMap } from '../bounded-map.ts'
import type { Context } from '../context.ts'
import type { Authenticator, Principal } from '../contract/types.ts'
import { unauthenticated } from '../problem.ts'
import { findLiveApiToken } from './queries.ts'
import { type ApiTokenContent, readApiToken } from './token.ts'

type LiveApiToken = LivePrincipal & Readonly<{ secretHash: Buffer }>

/** How many tokens that have been good are remembered; the oldest go first. */
const MOST_REMEMBERED = 10_000

/** What knows who is behind an API token: made once for each server. */
export type ApiTokens = Authenticator & Readonly<{ lastUses: LastUses; live: LivePrincipals<LiveApiToken> }>

export function createApiTokens({ config, db, notifications, logger }: Context): ApiTokens {
  const lastUses = new LastUses((uses) => updateLastUses(db, 'api_tokens', uses), logger)
  const live = new LivePrincipals<LiveApiToken>(notifications, 'api-token', async (userId, id) => {
    const row = await findLiveApiToken(db, userId, id)
    if (row === undefined) return undefined
    const scopes = scopesNow(row, row.scopes, config.auth.requireVerifiedEmail)
    const principal: Principal = { id: userId, role: row.role, ...scopes, sessionId: undefined, apiTokenId: id }
    return { principal, expiresAt: Date.parse(row.expires_at), secretHash: row.secret_hash }
  })
  // What a token says never changes, so it is read once (10 µs); whether it is good is checked each time.
  const read = new BoundedMap<string, ApiTokenContent>(MOST_REMEMBERED)
  return {
    lastUses,
    live,
    recognises: (token) => token.startsWith(API_TOKEN_PREFIX),
    authenticate(token) {
      const remembered = read.get(token)
      const content = remembered ?? readApiToken(token)
      if (content === undefined) throw refused()
      const { userId, tokenId, secretHash } = content
      const check = (found: LiveApiToken | undefined) => {
        if (found === undefined || !timingSafeEqual(found.secretHash, secretHash)) throw refused()
        if (remembered === undefined) read.set(token, content)
        lastUses.note(userId, tokenId)
        return found.principal
      }
      const found = live.find(userId, tokenId)
      return found instanceof Promise ? found.then(check) : check(found)
    },
  }
}

const refused = () => unauthenticated('The API token is unknown, expired or revoked.')
