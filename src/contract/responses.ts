import type { Readable } from 'node:stream'
import fastJsonStringify from 'fast-json-stringify'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { EVENT_STREAM_HEADERS, framesOf } from './event-streams.ts'
import { LazyValues } from './lazy.ts'
import { namesTag } from './preconditions.ts'
import type { OpenApiDocument, Operation, Schema } from './spec.ts'
import type { Answer, EventStream, OperationId, Rendered, Respond } from './types.ts'

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
  readonly #lazy: LazyValues

  constructor({ components }: OpenApiDocument, lazy = new LazyValues()) {
    this.#lazy = lazy
    this.#components = shapesOf({ schemas: components.schemas }) as {
      schemas: Record<string, Schema>
    }
  }

  of(schema: Schema): Serialize {
    const key = JSON.stringify(schema)
    let serialize = this.#compiled.get(key)
    if (serialize === undefined) {
      const compiled = this.#lazy.add(() => {
        const root = JSON.parse(JSON.stringify(shapesOf(schema)).replaceAll('"$ref":"#/', '"$ref":"openapi#/'))
        const document = JSON.parse(JSON.stringify({ $id: 'openapi', components: this.#components }))
        return fastJsonStringify(root, { schema: { openapi: document }, ajv: { formats: { unsafe: true } } })
      })
      serialize = (body) => compiled()(body)
      this.#compiled.set(key, serialize)
    }
    return serialize
  }
}

/** What has one of these came from a column of such a type, or was made here: there is nothing in it that JSON would escape. */
const PLAIN_FORMATS = new Set(['uuid', 'date', 'date-time', 'date-or-date-time'])

/**
 * A schema without its formats: values come from the database in their final form, and checking `date-time` again doubles the cost. Plain ones are not
 * even searched for what is to be escaped, at some 6 µs for a page of 20 tasks.
 */
function shapesOf(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(shapesOf)
  if (typeof schema !== 'object' || schema === null) return schema
  return Object.fromEntries(
    Object.entries(schema).flatMap(([key, value]) => {
      if (key !== 'format' || typeof value !== 'string') return [[key, shapesOf(value)]]
      return PLAIN_FORMATS.has(value) ? [['format', 'unsafe']] : []
    }),
  )
}

type Renderer = (request: FastifyRequest, answer: Answer) => Rendered<string | Readable>

/** What makes of the answers of an operation what is sent: status, the document's constant headers, the handler's own, the body, a 304, the link to the next page. */
export function rendererOf(operation: Operation, serializers: Serializers): Renderer {
  const byStatus = new Map(
    [...operation.responses].map(([status, response]) => {
      const constants = Object.fromEntries(
        Object.entries(response.headers ?? {}).flatMap(([name, { schema }]) =>
          schema.const === undefined ? [] : [[name.toLowerCase(), String(schema.const)]],
        ),
      )
      const events = response.content?.['text/event-stream']?.schema
      const schema = response.content?.['application/json']?.schema ?? events
      return [
        status,
        {
          constants,
          // Fastify would make these anew for each answer.
          namesSent: new Map(Object.keys(response.headers ?? {}).map((name) => [name, name.toLowerCase()])),
          serialize: schema && serializers.of(schema),
          streams: events !== undefined,
          links: 'Link' in (response.headers ?? {}),
        },
      ]
    }),
  )
  const answers304 = operation.responses.has(304)

  return (request, { status, body, headers }) => {
    const response = byStatus.get(status)
    if (response === undefined) throw new Error(`${operation.id} answered ${status}, which openapi.yaml does not describe.`)
    const sent: Record<string, string> = { ...response.constants }
    for (const name in headers) sent[response.namesSent.get(name) ?? name] = headers[name] as string

    const ifNoneMatch = request.headers['if-none-match']
    if (answers304 && status === 200 && ifNoneMatch !== undefined && headers?.['ETag'] !== undefined && namesTag(ifNoneMatch, headers['ETag'])) {
      return { status: 304, headers: sent, body: undefined }
    }
    if (status === 503) sent['retry-after'] = '1'
    const { nextCursor = null } = response.links ? (body as { nextCursor: string | null }) : {}
    if (nextCursor !== null) sent['link'] = linkTo(request, nextCursor)
    if (response.serialize === undefined) return { status, headers: sent, body: undefined }
    if (response.streams)
      return { status, headers: { ...sent, ...EVENT_STREAM_HEADERS }, body: framesOf(request, body as EventStream, response.serialize) }
    sent['content-type'] = 'application/json; charset=utf-8'
    return { status, headers: sent, body: response.serialize(body) }
  }
}

export const send = (reply: FastifyReply, { status, headers, body }: Rendered<string | Readable>): FastifyReply =>
  reply.code(status).headers(headers).send(body)

/** RFC 8288: the same URL with the next cursor, so that filters and order stay. */
function linkTo({ url }: FastifyRequest, nextCursor: string): string {
  // A query may hold another question mark (RFC 3986 §3.4), and a name any character percent-encoded.
  const [path = '', ...search] = url.split('?')
  const kept = search
    .join('?')
    .split('&')
    .filter((pair) => pair !== '' && !decodeURIComponent(pair).startsWith('cursor='))
  const query = [...kept, `cursor=${nextCursor}`].join('&').replaceAll(/[<>"]/g, encodeURIComponent)
  return `<${path}?${query}>; rel="next"`
}
