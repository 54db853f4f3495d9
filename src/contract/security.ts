import type { FastifyRequest } from 'fastify'
import { emailNotVerified, Problem, unauthenticated } from '../problem.ts'
import { type Operation, SpecError } from './spec.ts'
import type { Authenticator, Client, OperationId, Principal } from './types.ts'

/** RFC 6750 §2.1; a token longer than this is none of ours. */
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]{1,4096}=*)$/i

export type Security = Readonly<{
  /** By the name of the security scheme. All arrive as bearer tokens, so the form of a token tells its kind: each has exactly one that recognises it. */
  authenticators: Readonly<Record<string, Authenticator>>
  /** Told of everybody who is known and may not do what they ask for. */
  denied(principal: Principal, client: Client): void
}>

/**
 * What must hold before a request of a secured operation is read any further: a good token (401) of a kind that the operation takes (403), the
 * role (403), the scopes (403).
 * @throws SpecError when a security scheme has no authenticator
 */
export function guardOf(
  { id, schemes, scopes }: Operation,
  { authenticators, denied }: Security,
): (request: FastifyRequest) => Principal | Promise<Principal> {
  const kinds = [...new Set(Object.values(authenticators))]
  const accepted = schemes.map((scheme) => {
    const authenticator = authenticators[scheme]
    if (authenticator === undefined) throw new SpecError(`The security scheme ${scheme}, which ${id} names, has no authenticator.`)
    return authenticator
  })
  const allow = (principal: Principal, kind: Authenticator, request: FastifyRequest) => {
    // Known from here on, also to the log and to the limits, whatever they may do.
    request.principal = principal
    const lack = accepted.includes(kind) ? lackOf(scopes, principal) : new Problem('FORBIDDEN', 'An API token may not do this: log in instead.')
    if (lack === undefined) return principal
    denied(principal, clientOf(request, id as OperationId))
    throw lack
  }
  return (request) => {
    const { authorization } = request.headers
    if (authorization === undefined) throw unauthenticated('This operation needs an access token.', 'UNAUTHENTICATED', false)
    const token = BEARER.exec(authorization)?.[1]
    if (token === undefined) throw unauthenticated('The Authorization header must be "Bearer" and an access token.')
    const kind = kinds.find((candidate) => candidate.recognises(token))
    if (kind === undefined) throw unauthenticated('The access token is not valid.')
    const principal = kind.authenticate(token)
    return principal instanceof Promise ? principal.then((found) => allow(found, kind, request)) : allow(principal, kind, request)
  }
}

export function clientOf(request: FastifyRequest, operation: OperationId): Client {
  return { address: request.ip, userAgent: request.headers['user-agent'], requestId: request.id, operation }
}

function lackOf(demanded: readonly string[], { role, scopes, withheldScopes }: Principal): Problem | undefined {
  for (const scope of demanded) {
    if (scopes.has(scope)) continue
    if (scope === 'admin' && role !== 'admin') return new Problem('FORBIDDEN', 'This operation is for people with the role admin.')
    const headers = { 'WWW-Authenticate': `Bearer realm="docket", error="insufficient_scope", scope="${scope}"` }
    if (withheldScopes.has(scope)) return emailNotVerified(headers)
    return new Problem('INSUFFICIENT_SCOPE', `The access token lacks the scope ${scope}.`, { headers })
  }
  return undefined
}
