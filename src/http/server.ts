import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type FastifyInstance, type FastifyServerOptions, fastify, LogController } from 'fastify'
import type { Logger } from 'pino'
import { malformed, Problem } from '../problem.ts'
import { logRequest } from './access-log.ts'
import { SECURITY_HEADERS } from './front.ts'
import { documentOf, problemFrom, sendProblem } from './problems.ts'

/** Bytes. The longest description, with every character escaped, is 120 kB. */
export const LARGEST_BODY = 262_144
const LARGEST_HEADERS = 16_384

/**
 * Fastify with the limits that it lacks by default: without them slow headers and slow bodies live for ever, and errors of the parser and the
 * router bypass the error handler.
 */
export function createServer(logger: Logger, trustedProxies: readonly string[]): FastifyInstance {
  const app = fastify({
    loggerInstance: logger,
    // One line a request is written by http/access-log.ts; a child logger for each would cost as much as the line.
    logController: new LogController({ disableRequestLogging: true }),
    childLoggerFactory: (parent) => parent,
    genReqId: requestId,
    trustProxy: trustedProxies.length > 0 ? [...trustedProxies] : false,
    bodyLimit: LARGEST_BODY,
    requestTimeout: 10_000,
    keepAliveTimeout: 65_000,
    return503OnClosing: false,
    forceCloseConnections: false,
    http: {
      headersTimeout: 5000,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: LARGEST_HEADERS,
      // Node's own answer to a missing Host is no problem document; http/front.ts asks for one.
      requireHostHeader: false,
    },
    // RFC 9112 §3.2.2: a request may name the whole URL. Its host means nothing here.
    rewriteUrl: ({ url = '' }) => (url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?#]*\/?/i, '/')),
    routerOptions: {
      maxParamLength: 100,
      // The text itself: a parser that throws here would bypass the error handler, so contract/parsing.ts reads it later.
      querystringParser: ((text: string) => text) as never,
    },
    frameworkErrors: (error, request, reply) => {
      reply.headers(SECURITY_HEADERS).header('X-Request-Id', request.id)
      sendProblem(problemFrom(error, request, logger), request, reply)
      logRequest(logger, request, reply)
      answered.set(request.raw.socket, request.raw)
    },
    clientErrorHandler: answerUnreadable,
  } as FastifyServerOptions) as FastifyInstance
  app.addHook('onResponse', (request, _reply, done) => {
    answered.set(request.raw.socket, request.raw)
    done()
  })
  // RFC 9110 §10.1.1: an expectation that is none of ours may be ignored; Node would answer a bare 417.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))
  return app
}

const REQUEST_ID = /^[A-Za-z0-9._-]{8,128}$/

function requestId({ headers }: { headers: IncomingMessage['headers'] }): string {
  const sent = headers['x-request-id']
  return typeof sent === 'string' && REQUEST_ID.test(sent) ? sent : randomUUID()
}

/** The last request of each connection that has been answered. */
const answered = new WeakMap<Socket, IncomingMessage>()
/** Connections on which something unreadable waits for the answer to the request before it; Node tells of every packet of it. */
const waiting = new WeakSet<Socket>()

/** What is no HTTP never becomes a request: the answer is written to the socket by hand. */
function answerUnreadable(error: Error & { code?: string }, socket: Socket & { _httpMessage?: ServerResponse | null }): void {
  const before = socket._httpMessage
  if (socket.destroyed || !socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
  // Answers come in the order of the requests (RFC 9112 §9.3.2): first that to the whole request before this, which may have changed something.
  if (before?.req.complete === true) {
    if (!waiting.has(socket)) before.once('finish', () => waiting.delete(socket) && answerUnreadable(error, socket))
    return void waiting.add(socket)
  }
  // A request gets one answer: the end of a body whose request has its answer already is no request.
  if (before?.headersSent === true || answered.get(socket)?.complete === false) return void socket.destroy()
  const problem =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? new Problem('HEADERS_TOO_LARGE', `The headers are larger than ${LARGEST_HEADERS} bytes.`)
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? new Problem('REQUEST_TIMEOUT', 'The request took too long to arrive.')
        : malformed('The request cannot be read as HTTP.')
  const id = randomUUID()
  const body = JSON.stringify(documentOf(problem, id))
  const headers = {
    ...SECURITY_HEADERS,
    'X-Request-Id': id,
    'Cache-Control': 'no-store',
    'Content-Type': 'application/problem+json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${problem.status} ${problem.title}\r\n${lines.join('')}\r\n${body}`)
}
