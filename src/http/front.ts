import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Lifecycle } from '../context.ts'
import { malformed, Problem } from '../problem.ts'

/**
 * For answers that no browser shows; the pages under /docs bring a policy of their own. Fastify sends names in lower case, and would have to make such
 * ones anew for each answer.
 */
export const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
} as const

const MOST_HEADERS = 100

/** Headers that may come once only: Node would silently keep the first, or join them. */
const SINGLE = new Set(['host', 'authorization', 'content-type', 'content-length', 'content-encoding', 'idempotency-key'])

/** A name or an address, and a port (RFC 9112 §3.2). What else RFC 3986 allows in a name, no host has. */
const HOST = /^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d*)?$/

/** Headers that every answer has, whatever comes of the request. */
export function sendFrontHeaders(app: FastifyInstance, lifecycle: Lifecycle): void {
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(SECURITY_HEADERS)
    reply.header('x-request-id', request.id)
    // Absent where no operation was found.
    const operation = request.routeOptions.config?.operation
    if (operation !== undefined) reply.headers(operation.deprecation)
    if (lifecycle.draining) reply.header('Connection', 'close')
    done()
  })
}

/** Refuses requests that none should get through with, before an operation sees them. */
export function guardFront(app: FastifyInstance): void {
  const refuseOtherMethods = watchMethods(app)
  app.addHook('onRequest', (request, reply, done) => {
    try {
      requireReadable(request)
      if (request.is404 || request.method === 'OPTIONS') refuseOtherMethods(request, reply)
    } catch (error) {
      return done(error as Error)
    }
    if (!reply.sent) done()
  })
  app.setNotFoundHandler(() => {
    throw noSuchPath()
  })
}

const noSuchPath = () => new Problem('NOT_FOUND', 'There is no such path.')

function requireReadable({ raw, is404, routeOptions }: FastifyRequest): void {
  const { rawHeaders, headers } = raw
  if (rawHeaders.length > 2 * MOST_HEADERS) throw new Problem('HEADERS_TOO_LARGE', `There are more than ${MOST_HEADERS} headers.`)
  let seen = ''
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? ''
    if (!SINGLE.has(name)) continue
    if (seen.includes(`|${name}|`)) throw malformed(`The header ${name} is given twice.`)
    seen += `|${name}|`
  }
  if (raw.httpVersionMajor !== 1) throw malformed('The version of HTTP is neither 1.1 nor 1.0.')
  // RFC 9112 §3.2: exactly one Host, save in 1.0, which had none and which some load balancers still check with.
  if (raw.httpVersionMinor > 0 && !headers.host) throw malformed('The Host header is missing.')
  if (headers.host && !HOST.test(headers.host)) throw malformed('The Host header is not a host.')
  const coding = headers['transfer-encoding']
  // RFC 9112 §6.1: Node takes whatever ends in chunked, in 1.0 as well; a server in front may have read another length.
  if (coding !== undefined && (raw.httpVersionMinor === 0 || coding.toLowerCase() !== 'chunked'))
    throw malformed('The Transfer-Encoding is not one that this server reads.', { headers: { Connection: 'close' } })
  const sendsBody = coding !== undefined || (headers['content-length'] !== undefined && headers['content-length'] !== '0')
  // The type of nothing is nothing: many clients name one with DELETE.
  if (!sendsBody) delete headers['content-type']
  if (!sendsBody || is404) return
  if (routeOptions.config.operation?.body === undefined)
    throw new Problem('MALFORMED_REQUEST', 'This operation takes no body.', {
      headers: { Connection: 'close' },
    })
  if (headers['content-encoding'] !== undefined && headers['content-encoding'] !== 'identity') {
    throw new Problem('UNSUPPORTED_MEDIA_TYPE', 'The body must not be compressed.')
  }
}

/**
 * Fastify answers 404 to a method that a path does not have, after it has read the body. Here it is 405 with `Allow`, OPTIONS answers `Allow` alone,
 * and nothing is read.
 */
function watchMethods(app: FastifyInstance): (request: FastifyRequest, reply: FastifyReply) => void {
  const methodsOf = new Map<string, { pattern: RegExp; methods: Set<string> }>()
  app.addHook('onRoute', ({ url, method }) => {
    if (url === '*') return
    const path = methodsOf.get(url) ?? {
      pattern: new RegExp(`^${url.replaceAll(/[.()]/g, '\\$&').replaceAll(/:\w+/g, '[^/]+').replace('*', '.*')}$`),
      methods: new Set(['OPTIONS']),
    }
    for (const name of [method].flat()) path.methods.add(name)
    methodsOf.set(url, path)
  })
  return ({ method, url }, reply) => {
    const [path = ''] = url.split('?')
    const allowed = new Set([...methodsOf.values()].filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => [...methods]))
    if (allowed.size === 0) throw noSuchPath()
    const allow = [...allowed].sort().join(', ')
    if (method === 'OPTIONS') return void reply.code(204).header('Allow', allow).send()
    throw new Problem('METHOD_NOT_ALLOWED', `This path allows ${allow}.`, {
      headers: { Allow: allow },
    })
  }
}
