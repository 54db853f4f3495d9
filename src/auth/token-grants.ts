import type { AuthConfig } from '../config.ts'
import type { BodyOf, Client } from '../contract/types.ts'
import type { Database } from '../database/database.ts'
import { malformed } from '../problem.ts'
import type { UserRow } from '../users/queries.ts'
import type { Identity } from './identity.ts'
import { logIn } from './login.ts'
import { grantedScopes } from './scopes.ts'
import type { Login } from './sessions.ts'

type TokenRequest = BodyOf<'createToken'>

/**
 * The grants of the token endpoint (RFC 6749 §4.3 and §6).
 * @throws Problem 400 with the error of RFC 6749 §5.2, or 401 for a wrong password
 */
export async function grantToken(
  db: Database,
  identity: Identity,
  { passwordGrant }: AuthConfig,
  request: TokenRequest,
  client: Client,
): Promise<Login> {
  if (request.grant_type === 'refresh_token') return grantByRefreshToken(db, identity, request, client)
  if (!passwordGrant) {
    throw malformed('The grant type password is switched off on this server.', { oauth2Error: 'unsupported_grant_type' })
  }
  return grantByPassword(db, identity, request, client)
}

async function grantByPassword(db: Database, identity: Identity, { username, password, scope }: TokenRequest, client: Client): Promise<Login> {
  if (username === undefined || password === undefined) throw malformed('The grant type password needs a username and a password.')
  const scopesFor = ({ role }: UserRow) => {
    const scopes = grantedScopes(role, scope)
    if (scopes === undefined) throw malformed('The scope names something that this user may not have.', { oauth2Error: 'invalid_scope' })
    return scopes
  }
  return logIn(db, identity, { login: username.trim(), password }, scopesFor, client)
}

async function grantByRefreshToken(db: Database, { sessions }: Identity, { refresh_token }: TokenRequest, client: Client): Promise<Login> {
  if (refresh_token === undefined) throw malformed('The grant type refresh_token needs a refresh_token.')
  const login = await sessions.refresh(db, refresh_token, client)
  if (login === undefined)
    throw malformed('The refresh token is unknown, expired, used or revoked.', {
      oauth2Error: 'invalid_grant',
    })
  return login
}
