import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'

/**
 * One line a request, when it has been answered. The query stays out of it: it may hold what people search for.
 * @param traceIdOf where requests are traced
 */
export function logRequests(app: FastifyInstance, logger: Logger, traceIdOf?: (request: FastifyRequest) => string | undefined): void {
  if (!logger.isLevelEnabled('info')) return
  // Every field is named below, so there is nothing to look for: looking costs as much as the rest of the line.
  const accessLogger = logger.child({}, { redact: [] })
  app.addHook('onResponse', (request, reply, done) => {
    logRequest(accessLogger, request, reply, traceIdOf?.(request))
    done()
  })
}

export function logRequest(logger: Logger, request: FastifyRequest, reply: FastifyReply, traceId?: string): void {
  const { url } = request
  const query = url.indexOf('?')
  logger.info({
    requestId: request.id,
    traceId,
    operation: request.routeOptions.config?.operation?.id,
    method: request.method,
    path: query < 0 ? url : url.slice(0, query),
    status: reply.statusCode,
    milliseconds: Math.round(reply.elapsedTime * 10) / 10,
    user: request.principal?.id,
    address: request.ip,
  })
}
