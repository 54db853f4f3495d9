import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'

/** One line a request, when it has been answered. The query stays out of it: it may hold what people search for. */
export function logRequests(app: FastifyInstance, logger: Logger): void {
  if (!logger.isLevelEnabled('info')) return
  app.addHook('onResponse', (request, reply, done) => {
    const { url } = request
    const query = url.indexOf('?')
    logger.info({
      requestId: request.id,
      operation: request.routeOptions.config.operation?.id,
      method: request.method,
      path: query < 0 ? url : url.slice(0, query),
      status: reply.statusCode,
      milliseconds: Math.round(reply.elapsedTime * 10) / 10,
      user: request.principal?.id,
      address: request.ip,
    })
    done()
  })
}
