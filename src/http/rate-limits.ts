import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { networkOf } from '../address.ts'
import type { RateLimitConfig } from '../config.ts'
import type { OperationId } from '../contract/types.ts'
import { Counts } from '../counts.ts'
import { type Problem, rateLimited } from '../problem.ts'
import { documentOf } from './problems.ts'
import { LocalCounts, type RequestCounts, type Window } from './request-counts.ts'

const MINUTE = 60
const HOUR = 3600

type Policy = Readonly<{ name: PolicyName; quota: number; header: string; counts: RequestCounts; refusals: RateLimitRefusals }>
export type PolicyName = 'anonymous' | 'register' | 'user'

/** How many requests each policy has refused since the start. */
export type RateLimitRefusals = Counts<PolicyName, 'refused'>

/**
 * How many requests somebody may send. A request with a good token counts against its user; any other against the address that it comes from: one
 * without a token before anything else is done, one whose token is refused when that is known. So a flood of bad tokens ends with 429, while good ones
 * from the same address get through. Operations that describe no 429 are not limited, nor is OPTIONS: a browser asks it without a token, and the answer
 * is as cheap as a refusal.
 * @param registrations operations of which an address may call fewer, and those by the hour
 */
export async function limitRequests(
  app: FastifyInstance,
  config: RateLimitConfig,
  logger: Logger,
  registrations: readonly OperationId[],
): Promise<RateLimitRefusals> {
  const refusals: RateLimitRefusals = new Counts()
  if (!config.enabled) return refusals
  const store = config.redisUrl === undefined ? undefined : await openStore(config.redisUrl, logger)
  app.addHook('onClose', async () => store?.close())

  const policy = (name: PolicyName, quota: number, seconds: number): Policy => ({
    name,
    quota,
    header: `"${name}";q=${quota};w=${seconds}`,
    counts: store?.counts(name, seconds) ?? new LocalCounts(seconds),
    refusals,
  })
  const anonymous = [policy('anonymous', config.anonymous, MINUTE)]
  const registering = [...anonymous, policy('register', config.register, HOUR)]
  const user = [policy('user', config.user, MINUTE)]
  const byAddress = (request: FastifyRequest, reply: FastifyReply) => {
    const id = request.routeOptions.config?.operation?.id as OperationId | undefined
    const policies = id !== undefined && registrations.includes(id) ? registering : anonymous
    return count(policies, networkOf(request.ip), reply)
  }

  app.addHook('onRequest', (request, reply, done) => {
    if (!isLimited(request) || bringsToken(request)) return done()
    settle(byAddress(request, reply), done)
  })
  // The first that runs after the operation's own authentication.
  app.addHook('preParsing', (request, reply, payload, done) => {
    if (!isLimited(request) || request.principal === undefined) return done(null, payload)
    settle(count(user, request.principal.id, reply), (error) => done(error ?? null, payload))
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    const refused = !reply.hasHeader('ratelimit') && bringsToken(request) && reply.statusCode < 500
    if (!refused || !isLimited(request)) return done(null, payload)
    const instead = (problem: Problem | undefined) => {
      if (problem === undefined) return done(null, payload)
      reply.removeHeader('WWW-Authenticate').code(problem.status).headers(problem.headers)
      done(null, JSON.stringify(documentOf(problem, request.id)))
    }
    const problem = request.principal === undefined ? byAddress(request, reply) : count(user, request.principal.id, reply)
    if (problem instanceof Promise) problem.then(instead, done)
    else instead(problem)
  })
  return refusals
}

/** Without one, its client is never loaded. */
async function openStore(url: string, logger: Logger) {
  const { SharedStore } = await import('./shared-counts.ts')
  return new SharedStore(url, logger)
}

function isLimited({ method, routeOptions }: FastifyRequest): boolean {
  return method !== 'OPTIONS' && routeOptions.config?.operation?.responses.has(429) !== false
}

/** Whether it will be known later who sends the request, or that nobody does. */
function bringsToken({ headers, routeOptions }: FastifyRequest): boolean {
  return headers.authorization !== undefined && (routeOptions.config?.operation?.schemes.length ?? 0) > 0
}

/** Counts a request and says in its answer what is left. A problem when there was nothing left. */
function count(policies: readonly Policy[], key: string, reply: FastifyReply): Problem | undefined | Promise<Problem | undefined> {
  const windows = policies.map(({ counts }) => counts.add(key))
  return windows.some((window) => window instanceof Promise)
    ? Promise.all(windows).then((all) => announce(policies, all, reply))
    : announce(policies, windows as Window[], reply)
}

/** The headers of draft-ietf-httpapi-ratelimit-headers; both are lists of RFC 9651. */
function announce(policies: readonly Policy[], windows: readonly Window[], reply: FastifyReply): Problem | undefined {
  const states = policies.map(({ name, quota }, index) => {
    const { requests, milliseconds } = windows[index] as Window
    return { name, left: Math.max(0, quota - requests), exhausted: requests > quota, seconds: Math.max(1, Math.ceil(milliseconds / 1000)) }
  })
  reply.header('ratelimit-policy', policies.map(({ header }) => header).join(', '))
  reply.header('ratelimit', states.map(({ name, left, seconds }) => `"${name}";r=${left};t=${seconds}`).join(', '))
  const waits = states.flatMap(({ exhausted, seconds }) => (exhausted ? [seconds] : []))
  if (waits.length === 0) return undefined
  for (const [index, { name, refusals }] of policies.entries()) if (states[index]?.exhausted === true) refusals.add(name, 'refused')
  return rateLimited('There are too many requests.', Math.max(...waits))
}

function settle(result: Problem | undefined | Promise<Problem | undefined>, done: (error?: Error) => void): void {
  if (result instanceof Promise) result.then(done, done)
  else done(result)
}
