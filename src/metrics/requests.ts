import { Histogram, type Registry } from '@prometheus-io/client'
import type { FastifyInstance } from 'fastify'

/** Seconds. Reads by key take less than 5 ms, logins some 50, and what is beyond 2 s has run into a time limit. */
const BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/**
 * Times every request by operation, method and status. All that belongs to no operation, such as the docs and paths that do not exist, is one operation
 * named none, so that nobody can make new series by asking. A stream counts when it ends, with all the time that it was open.
 */
export function timeRequests(registry: Registry, app: FastifyInstance): void {
  const durations = new Histogram({
    name: 'docket_http_request_duration_seconds',
    help: 'From the first byte of a request to the last of its answer.',
    labelNames: ['operation', 'method', 'status'],
    buckets: BUCKETS,
    registers: [registry],
  })
  // Its labels are checked once for each series, not for each request.
  const series = new Map<string, Histogram.Internal<string>>()
  app.addHook('onResponse', (request, reply, done) => {
    const operation = request.routeOptions.config?.operation?.id ?? 'none'
    const method = METHODS.has(request.method) ? request.method : 'other'
    const key = `${operation} ${method} ${reply.statusCode}`
    let observed = series.get(key)
    if (observed === undefined) {
      observed = durations.labels({ operation, method, status: String(reply.statusCode) })
      series.set(key, observed)
    }
    observed.observe(reply.elapsedTime / 1000)
    done()
  })
}
