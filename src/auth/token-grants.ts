import type { BodyOf } from '../contract/types.ts'
import type { Database } from '../database/database.ts'
import { malformed } from '../problem.ts'
import type { Identity } from './identity.ts'
import { requireUserByPassword } from './login.ts'
import { grantedScopes } from './scopes.ts'
import type { Client, Login } from './sessions.ts'

type TokenRequest = BodyOf<'createToken'>

/**
 * The grants of the token endpoint (RFC 6749 §4.3 and §6).
 * @throws Problem 400 with the error of RFC 6749 §5.2, or 401 for a wrong password
 */
export function grantToken(db: Database, identity: Identity, request: TokenRequest, client: Client): Promise<Login> {
  return request.grant_type === 'password' ? grantByPassword(db, identity, request, client) : grantByRefreshToken(db, identity, request)
}

async function grantByPassword(db: Database, identity: Identity, { username, password, scope }: TokenRequest, client: Client): Promise<Login> {
  if (username === undefined || password === undefined) throw malformed('The grant type password needs a username and a password.')
  const user = await requireUserByPassword(db, identity, username.trim(), password, client.address)
  const scopes = grantedScopes(user.role, scope)
  if (scopes === undefined)
    throw malformed('The scope names something that this user may not have.', {
      oauth2Error: 'invalid_scope',
    })
  return identity.sessions.start(db, user, scopes, client)
}

async function grantByRefreshToken(db: Database, { sessions }: Identity, { refresh_token }: TokenRequest): Promise<Login> {
  if (refresh_token === undefined) throw malformed('The grant type refresh_token needs a refresh_token.')
  const login = await sessions.refresh(db, refresh_token)
  if (login === undefined)
    throw malformed('The refresh token is unknown, expired, used or revoked.', {
      oauth2Error: 'invalid_grant',
    })
  return login
}
