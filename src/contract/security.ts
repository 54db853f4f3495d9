import type { FastifyRequest } from 'fastify'
import { Problem, unauthenticated } from '../problem.ts'
import type { Operation } from './spec.ts'
import type { Authenticate, Principal } from './types.ts'

/** RFC 6750 §2.1; a token longer than this is none of ours. */
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]{1,4096}=*)$/i

/**
 * What must hold before a request of a secured operation is read any further: a good token (401), the role (403), the scopes (403).
 * @param authenticate looks the credentials up
 */
export function guardOf({ scopes }: Operation, authenticate: Authenticate): (request: FastifyRequest) => Principal | Promise<Principal> {
  const allow = (principal: Principal) => {
    for (const scope of scopes) if (!principal.scopes.has(scope)) throw lacking(scope, principal)
    return principal
  }
  return ({ headers: { authorization } }) => {
    if (authorization === undefined) throw unauthenticated('This operation needs an access token.', 'UNAUTHENTICATED', false)
    const token = BEARER.exec(authorization)?.[1]
    if (token === undefined) throw unauthenticated('The Authorization header must be "Bearer" and an access token.')
    const principal = authenticate(token)
    return principal instanceof Promise ? principal.then(allow) : allow(principal)
  }
}

function lacking(scope: string, { role }: Principal): Problem {
  if (scope === 'admin' && role !== 'admin') return new Problem('FORBIDDEN', 'This operation is for people with the role admin.')
  return new Problem('INSUFFICIENT_SCOPE', `The access token lacks the scope ${scope}.`, {
    headers: {
      'WWW-Authenticate': `Bearer realm="docket", error="insufficient_scope", scope="${scope}"`,
    },
  })
}
