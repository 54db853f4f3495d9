import { createHash, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Registry } from '@prometheus-io/client'
import type { Logger } from 'pino'
import type { MetricsConfig } from '../config.ts'

// Not imported, for the reason that webhooks/post.ts gives.
const { createServer } = process.getBuiltinModule('node:http')

const PATH = '/metrics'

/**
 * Serves the metrics on a port of their own: they are nobody's business who may call the API.
 * @returns what closes it
 */
export async function serveMetrics(registry: Registry, { host, port, token }: MetricsConfig, logger: Logger): Promise<() => Promise<void>> {
  const allows = token === undefined ? () => true : bearerCheck(token)
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.url?.split('?')[0] !== PATH) return response.writeHead(404).end()
    if (request.method !== 'GET' && request.method !== 'HEAD') return response.writeHead(405, { Allow: 'GET, HEAD' }).end()
    if (!allows(request.headers.authorization)) return response.writeHead(401, { 'WWW-Authenticate': 'Bearer' }).end()
    const text = await registry.metrics()
    return response.writeHead(200, { 'Content-Type': registry.contentType }).end(text)
  }
  const server = createServer({ headersTimeout: 5000, requestTimeout: 10_000 }, (request, response) => {
    answer(request, response).catch((error) => {
      logger.error({ err: error }, 'metrics cannot be read')
      if (response.headersSent) response.destroy()
      else response.writeHead(500).end()
    })
  })
  server.listen(port, host)
  await once(server, 'listening')
  const address = server.address()
  logger.info(`Metrics: http://${host}:${typeof address === 'object' && address !== null ? address.port : port}${PATH}`)
  return async () => {
    server.close()
    server.closeAllConnections()
  }
}

/** Digests are of one length, and tell by the time that a comparison takes nothing of what they are of. */
function bearerCheck(token: string): (authorization: string | undefined) => boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  const expected = digest(`Bearer ${token}`)
  return (authorization = '') => timingSafeEqual(digest(authorization.replace(/^bearer /i, 'Bearer ')), expected)
}
