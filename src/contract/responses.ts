import fastJsonStringify from 'fast-json-stringify'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { sendEvents } from './event-streams.ts'
import { namesTag } from './preconditions.ts'
import type { OpenApiDocument, Operation, Schema } from './spec.ts'
import type { Answer, EventStream, OperationId, Respond } from './types.ts'

/** The one implementation behind every operation's own type of `respond`. */
export const respond = ((status: number, body?: unknown, init?: { headers: Record<string, string> }) => ({
  status,
  body,
  headers: init?.headers,
})) as Respond<OperationId>

type Serialize = (body: unknown) => string

/** Serializers from the schemas of openapi.yaml: only the properties that they declare leave the server. */
export class Serializers {
  readonly #components: { schemas: Record<string, Schema> }
  readonly #compiled = new Map<string, Serialize>()

  constructor({ components }: OpenApiDocument) {
    this.#components = shapesOf({ schemas: components.schemas }) as {
      schemas: Record<string, Schema>
    }
  }

  of(schema: Schema): Serialize {
    const key = JSON.stringify(schema)
    let serialize = this.#compiled.get(key)
    if (serialize === undefined) {
      const root = JSON.parse(JSON.stringify(shapesOf(schema)).replaceAll('"$ref":"#/', '"$ref":"openapi#/'))
      const document = JSON.parse(JSON.stringify({ $id: 'openapi', components: this.#components }))
      serialize = fastJsonStringify(root, { schema: { openapi: document } })
      this.#compiled.set(key, serialize)
    }
    return serialize
  }
}

/** A schema without its formats: values come from the database in their final form, and checking `date-time` again doubles the cost. */
function shapesOf(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(shapesOf)
  if (typeof schema !== 'object' || schema === null) return schema
  return Object.fromEntries(
    Object.entries(schema).flatMap(([key, value]) => (key === 'format' && typeof value === 'string' ? [] : [[key, shapesOf(value)]])),
  )
}

type Sender = (request: FastifyRequest, reply: FastifyReply, answer: Answer) => FastifyReply

/** What sends the answers of an operation: status, the document's constant headers, the handler's own, the body, a 304, the link to the next page. */
export function senderOf(operation: Operation, serializers: Serializers): Sender {
  const byStatus = new Map(
    [...operation.responses].map(([status, response]) => {
      const constants = Object.entries(response.headers ?? {}).flatMap(([name, { schema }]) =>
        schema.const === undefined ? [] : [[name, String(schema.const)] as const],
      )
      const events = response.content?.['text/event-stream']?.schema
      const schema = response.content?.['application/json']?.schema ?? events
      return [
        status,
        {
          constants,
          serialize: schema && serializers.of(schema),
          streams: events !== undefined,
          links: 'Link' in (response.headers ?? {}),
        },
      ]
    }),
  )
  const answers304 = operation.responses.has(304)

  return (request, reply, { status, body, headers }) => {
    const response = byStatus.get(status)
    if (response === undefined) throw new Error(`${operation.id} answered ${status}, which openapi.yaml does not describe.`)
    for (const [name, value] of response.constants) reply.header(name, value)
    if (headers !== undefined) for (const name in headers) reply.header(name, headers[name])

    const ifNoneMatch = request.headers['if-none-match']
    if (answers304 && status === 200 && ifNoneMatch !== undefined && headers?.['ETag'] !== undefined && namesTag(ifNoneMatch, headers['ETag'])) {
      return reply.code(304).send()
    }
    if (status === 503) reply.header('Retry-After', '1')
    if (response.links) linkNext(request, reply, body as { nextCursor: string | null })
    if (response.serialize === undefined) return reply.code(status).send()
    if (response.streams) return sendEvents(request, reply.code(status), body as EventStream, response.serialize)
    return reply.code(status).header('Content-Type', 'application/json; charset=utf-8').send(response.serialize(body))
  }
}

/** RFC 8288: the same URL with the next cursor, so that filters and order stay. */
function linkNext({ url }: FastifyRequest, reply: FastifyReply, { nextCursor }: { nextCursor: string | null }): void {
  if (nextCursor === null) return
  const [path = '', search = ''] = url.split('?')
  const kept = search.split('&').filter((pair) => pair !== '' && !pair.startsWith('cursor='))
  const query = [...kept, `cursor=${nextCursor}`].join('&').replaceAll(/[<>"]/g, encodeURIComponent)
  reply.header('Link', `<${path}?${query}>; rel="next"`)
}
