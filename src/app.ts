import jwt from '@fastify/jwt'
import type { FastifyInstance } from 'fastify'
import { createApiTokens } from './api-tokens/tokens.ts'
import { Denials } from './audit/denials.ts'
import { jwtOptions } from './auth/access-tokens.ts'
import { createIdentity } from './auth/identity.ts'
import { ChangeFeed } from './changes/feed.ts'
import { ChangeStreams } from './changes/streams.ts'
import { type Context, reserved } from './context.ts'
import { bindContract } from './contract/bind.ts'
import { readSpec } from './contract/spec.ts'
import type { Handlers } from './contract/types.ts'
import { createHandlers } from './handlers.ts'
import { logRequests } from './http/access-log.ts'
import { allowOrigins } from './http/cors.ts'
import { serveDocs } from './http/docs.ts'
import { guardFront, sendFrontHeaders } from './http/front.ts'
import { renderProblems } from './http/problems.ts'
import { limitRequests } from './http/rate-limits.ts'
import { createServer } from './http/server.ts'
import { tellTimes } from './http/server-timing.ts'
import { createIdempotency } from './idempotency/idempotency.ts'
import type { Metrics } from './metrics/metrics.ts'
import type { Tracing } from './tracing/tracing.ts'

/** What watches the server, where the settings ask for it. */
export type Instruments = Readonly<{ metrics?: Metrics | undefined; tracing?: Tracing | undefined }>

/**
 * The server, ready to listen: what every request passes, in this order, then the operations of openapi.yaml.
 * @param decorate wraps the handlers, for tests that watch what they answer
 */
export async function buildApp(
  context: Context,
  decorate = (handlers: Handlers) => handlers,
  { metrics, tracing }: Instruments = {},
): Promise<FastifyInstance> {
  const { config, logger, keys } = context
  const spec = readSpec()
  const app = createServer(logger, config.trustedProxies)
  // First, so that what every other hook does is inside of the trace.
  await tracing?.instrument(app)
  renderProblems(app, logger)
  logRequests(app, logger, tracing?.traceIdOf)
  metrics?.timeRequests(app)
  if (config.serverTiming) tellTimes(app, config.corsOrigins)
  // Before the front, so that a page may read what that answers as well.
  await allowOrigins(app, config.corsOrigins)
  sendFrontHeaders(app, context.lifecycle)
  const rateLimitRefusals = await limitRequests(app, config.rateLimits, logger, ['register', 'requestPasswordReset'])
  guardFront(app)
  await app.register(jwt, jwtOptions(keys.accessToken[0], config.auth.accessTokenSeconds))

  const identity = createIdentity(reserved(context), app.jwt)
  const apiTokens = createApiTokens(reserved(context))
  const denials = new Denials(context.reservedDb, logger)
  // After those that remember principals: what they forget at a message, the streams look up again.
  const feed = new ChangeFeed(context)
  const streams = new ChangeStreams(context, feed, async ({ id, sessionId, apiTokenId }) => {
    const found = await (sessionId === undefined ? apiTokens.live.find(id, apiTokenId ?? '') : identity.live.find(id, sessionId))
    return found?.principal.scopes.has('tasks:read') === true
  })
  app.addHook('onResponse', (request, reply, done) => {
    const { method, principal } = request
    if (principal !== undefined && method !== 'GET' && method !== 'HEAD' && reply.statusCode < 300) feed.announce(principal.id)
    done()
  })
  app.addHook('onClose', async () => {
    feed.close()
    streams.close()
  })
  app.addHook('onClose', () => Promise.allSettled([identity.lastUses.close(), apiTokens.lastUses.close()]))
  const principals = { session: identity.live, api_token: apiTokens.live }
  metrics?.collect({ passwords: identity.passwords, principals, feed, streams, rateLimitRefusals })
  const handlersOver = (over: Context) => decorate(createHandlers(over, identity, apiTokens, streams))
  bindContract(app, {
    spec,
    handlers: handlersOver(context),
    idempotency: createIdempotency(context, handlersOver),
    security: {
      authenticators: {
        bearerAuth: identity.accessTokens,
        oauth2: identity.accessTokens,
        apiToken: apiTokens,
      },
      denied: (principal, client) => denials.record(principal, client),
    },
  })
  serveDocs(app, spec)
  await app.ready()
  return app
}
