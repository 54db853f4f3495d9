import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { endEventStreams } from './event-streams.ts'
import { LazyValues } from './lazy.ts'
import { parseOnly, parseQuery } from './parsing.ts'
import { strongTags } from './preconditions.ts'
import { rendererOf, respond, Serializers, send } from './responses.ts'
import { clientOf, guardOf, type Security } from './security.ts'
import { type Operation, type Spec, SpecError } from './spec.ts'
import type { Answer, Handlers, Idempotency, OperationId, Principal, Rendered } from './types.ts'
import { codeOf, Validators } from './validation.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Makes what no request has needed yet, while the server answers already. */
    warmUp(): Promise<void>
  }
  interface FastifyRequest {
    /** Set before the body is read, in the operations that the document secures. */
    principal: Principal | undefined
  }
  interface FastifyContextConfig {
    operation?: Operation
  }
}

type Binding = Readonly<{
  spec: Spec
  handlers: Handlers
  security: Security
  /** For the operations whose parameters the document has Idempotency-Key among. */
  idempotency: Idempotency
}>

/**
 * Makes one route of each operation of openapi.yaml: authentication, validation, the handler and serialisation in this order.
 * @throws SpecError when an operation has no handler, a handler no operation, a security scheme no authenticator, or an Idempotency-Key nobody whose it is
 */
export function bindContract(app: FastifyInstance, binding: Binding): void {
  const { spec, handlers } = binding
  const ids = new Set(spec.operations.map(({ id }) => id))
  for (const id of ids) if (!Object.hasOwn(handlers, id)) throw new SpecError(`The operation ${id} has no handler.`)
  for (const id of Object.keys(handlers)) if (!ids.has(id)) throw new SpecError(`The handler ${id} belongs to no operation.`)

  const lazy = new LazyValues()
  const validators = new Validators(spec.document, lazy)
  const serializers = new Serializers(spec.document, lazy)
  app.decorate('warmUp', () => lazy.makeAll(() => app.server.listening))
  app.decorateRequest('principal', undefined)
  // Before the listener closes, which waits for all answers to end.
  app.addHook('preClose', async () => endEventStreams(app.server))

  // Each media type has a scope of its own, in which no other is parsed.
  for (const mediaType of new Set(spec.operations.map(mediaTypeOf))) {
    app.register(async (scope) => {
      parseOnly(scope, mediaType)
      for (const operation of spec.operations) {
        if (mediaTypeOf(operation) === mediaType) scope.route(routeOf(operation, binding, validators, serializers))
      }
    })
  }
}

const mediaTypeOf = ({ body }: Operation) => body?.mediaType ?? 'application/json'

function routeOf(
  operation: Operation,
  { spec, handlers, security, idempotency }: Binding,
  validators: Validators,
  serializers: Serializers,
): RouteOptions {
  const id = operation.id as OperationId
  const render = rendererOf(operation, serializers)
  const validate = {
    params: validators.parameters(operation, 'path'),
    query: validators.parameters(operation, 'query'),
    headers: validators.parameters(operation, 'header'),
    body: validators.body(operation),
  }
  const code = codeOf(operation.responses)
  const takes = (header: string) => operation.parameters.some(({ name }) => name === header)
  const matches = takes('If-Match')
  const resumes = takes('Last-Event-ID')
  const keyed = takes('Idempotency-Key')
  if (keyed && operation.schemes.length === 0) throw new SpecError(`${id} has an Idempotency-Key, which must be somebody's, but is public.`)

  const serve = async (request: FastifyRequest, reply: FastifyReply) => {
    validate.headers?.(request.headers)
    const input = {
      params: validate.params?.(request.params),
      query: validate.query?.(parseQuery(request.query as string, code)),
      body: validate.body?.(request.body),
    }
    const perform = async (chosen: Handlers) => {
      const handler = chosen[id] as (request: unknown, answer: typeof respond) => Promise<Answer>
      const answer = await handler(
        {
          ...input,
          ifMatch: matches ? strongTags(request.headers['if-match']) : undefined,
          lastEventId: resumes ? request.headers['last-event-id'] : undefined,
          client: clientOf(request, id),
          user: request.principal,
        },
        respond,
      )
      return render(request, answer)
    }
    const key = keyed ? request.headers['idempotency-key'] : undefined
    if (key === undefined) return send(reply, await perform(handlers))
    const { id: userId } = request.principal as Principal
    // What is streamed is never the answer of a POST.
    return send(reply, await idempotency({ userId, operation: id, key: String(key), input }, perform as (chosen: Handlers) => Promise<Rendered>))
  }

  return {
    // Fastify's own HEAD routes say `Content-Length: 0` beside a 304 (RFC 9110 §8.6).
    method: operation.method === 'GET' ? ['GET', 'HEAD'] : operation.method,
    exposeHeadRoute: false,
    url: spec.basePath + operation.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    config: { operation },
    onRequest: onRequestOf(operation, security),
    handler: serve,
  }
}

type OnRequest = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void

/** Before the body is read: nobody makes the server parse anything without a token where one is needed. */
function onRequestOf(operation: Operation, security: Security): OnRequest[] {
  if (operation.schemes.length === 0) return []
  const guard = guardOf(operation, security)
  const secure: OnRequest = (request, _reply, done) => {
    try {
      const principal = guard(request)
      if (!(principal instanceof Promise)) return done()
      principal.then(() => done(), done)
    } catch (error) {
      done(error as Error)
    }
  }
  return [secure]
}
