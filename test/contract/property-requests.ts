import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { operations } from '../../generated/operations.ts'
import type { Schema } from '../../src/contract/spec.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { exchange } from '../http/raw.ts'
import { textOf } from '../support/client.ts'
import { checkAnswer, operationOf } from '../support/contract-check.ts'
import { arbitraryOf, breakagesOf, type Medium } from './arbitrary.ts'
import { type Answered, invalidStatusOf, isForm } from './walk.ts'

const PARTS = ['path', 'query', 'header', 'body'] as const
export type Part = (typeof PARTS)[number]
/** A request as its schemas know it. */
export type Parts<Value = unknown> = Readonly<Partial<Record<Part, Value>>>
export type PartsOf = Readonly<Record<Part, fc.Arbitrary<unknown>>>
/** A request as it is sent. */
export type Wire = Readonly<{ method: string; url: string; headers: Readonly<Record<string, string>>; body: Buffer | undefined }>
export type Spoil = (wire: Wire) => Wire
export type Attempt = Readonly<{ parts: Parts; spoil?: Spoil }>

/** Requests that are wrong in one place. `names` is what their problem must name; what cannot even be read has nothing to name. */
export type Fault = Readonly<{ what: string; status: number; names?: { in: Part; path: string }; requests: fc.Arbitrary<Attempt> }>

/** The schema of a part of a request, undefined for a body that there is none of. */
export function schemaOf(id: OperationId, part: Part): Schema | undefined {
  const { parameters, body } = operationOf(id)
  if (part === 'body') return body?.schema
  const described = parameters.filter((parameter) => parameter.in === part)
  return {
    type: 'object',
    properties: Object.fromEntries(described.map(({ name, schema }) => [name, schema])),
    required: described.filter(({ required }) => required).map(({ name }) => name),
    // Nothing can be added to a path, and headers that are not described are nobody's business.
    additionalProperties: part !== 'query',
  }
}

const mediumOf = (id: OperationId, part: Part): Medium => (part === 'body' ? (isForm(id) ? 'form' : 'json') : part)

/**
 * The parts of requests that the schemas of an operation allow.
 * @param finish puts in what no schema knows, such as the id of something that exists
 */
export function partsOf(id: OperationId, finish: (part: Part, values: fc.Arbitrary<unknown>) => fc.Arbitrary<unknown>): PartsOf {
  const parts = PARTS.map((part) => {
    const schema = schemaOf(id, part)
    return [part, schema === undefined ? fc.constant(undefined) : finish(part, arbitraryOf(schema, mediumOf(id, part)))]
  })
  return Object.fromEntries(parts)
}

/** Every way to break a request of an operation in one place. */
export function faultsOf(id: OperationId, valid: PartsOf): Fault[] {
  const bySchema = PARTS.flatMap((part) => {
    const schema = schemaOf(id, part)
    const breakages = schema === undefined ? [] : [...breakagesOf(schema, mediumOf(id, part), valid[part])]
    return breakages.map(({ what, value, pointer }): Fault => {
      const requests = fc.record({ parts: fc.record({ ...valid, [part]: value }) })
      if (part !== 'header') return { what: `${part}: ${what}`, status: invalidStatusOf(id), names: { in: part, path: pointer }, requests }
      return { what: `${part}: ${what}`, status: 400, names: { in: part, path: pointer.toLowerCase() }, requests }
    })
  })
  const bySpoiling = [...unreadable(id)].map(([what, status, spoil, names]): Fault => {
    return { what, status, requests: fc.record({ parts: fc.record(valid), spoil }), ...(names && { names }) }
  })
  return [...bySchema, ...bySpoiling]
}

const NO_UTF8 = fc.constantFrom('ff', 'fe', 'c080', 'eda080', 'f5808080').map((bytes) => Buffer.from(bytes, 'hex'))
const NO_PERCENT_ENCODING = fc.constantFrom('%zz', '%', '%f', '%ff', '%e2%82', '%ed%a0%80', '%c0%80')
const LARGEST_BODY = 262_144

const inBody =
  (change: (bytes: Buffer) => Buffer | string): Spoil =>
  (wire) => ({ ...wire, body: Buffer.from(change(wire.body ?? Buffer.alloc(0))) })
const withHeader =
  (name: string, value: string): Spoil =>
  (wire) => ({ ...wire, headers: { ...wire.headers, [name]: value } })

type Unreadable = [what: string, status: number, spoil: fc.Arbitrary<Spoil>, names?: Fault['names']]

/** What is wrong before there is anything that a schema could be held against. */
function* unreadable(id: OperationId): Generator<Unreadable> {
  const encode = (change: (url: string, bad: string) => string) =>
    NO_PERCENT_ENCODING.map(
      (bad): Spoil =>
        (wire) => ({ ...wire, url: change(wire.url, bad) }),
    )
  yield ['query: no percent-encoding', 400, encode((url, bad) => `${url}${url.includes('?') ? '&' : '?'}x=${bad}`)]
  if (operations[id].path.includes('{')) yield ['path: no percent-encoding', 400, encode((url, bad) => url.replace(/[0-9a-f-]{36}/i, bad))]
  if (operationOf(id).body === undefined) {
    // No HTTP client sends a body with GET; queries.test.ts does.
    if (operations[id].method !== 'GET') yield ['a body that nobody asked for', 400, fc.constant(inBody(() => '{}'))]
    return
  }

  const others = [isForm(id) ? 'application/json' : 'application/x-www-form-urlencoded', 'text/plain', 'application/jsonp', 'json', ';']
  yield ['another media type', 415, fc.constantFrom(...others).map((type) => withHeader('Content-Type', type))]
  yield ['no media type', 415, fc.constant(({ headers: { 'Content-Type': _, ...headers }, ...wire }) => ({ ...wire, headers }))]
  yield ['a compressed body', 415, fc.constantFrom('gzip', 'br').map((coding) => withHeader('Content-Encoding', coding))]
  yield ['no body', invalidStatusOf(id), fc.constant((wire) => ({ ...wire, body: undefined })), { in: 'body', path: '' }]
  const padded = (over: number) => inBody((bytes) => Buffer.concat([bytes, Buffer.alloc(LARGEST_BODY - bytes.length + over, ' ')]))
  yield ['more than 256 KiB', 413, fc.integer({ min: 1, max: 1000 }).map(padded)]
  const without8 = ([bad, at]: [Buffer, number]) =>
    inBody((bytes) => Buffer.concat([bytes.subarray(0, at % (bytes.length + 1)), bad, bytes.subarray(at % (bytes.length + 1))]))
  yield ['bytes that are no UTF-8', 400, fc.tuple(NO_UTF8, fc.nat()).map(without8)]
  if (isForm(id)) {
    yield ['no percent-encoding', 400, NO_PERCENT_ENCODING.map((bad) => inBody((bytes) => `${bytes}&x=${bad}`))]
    yield ['a parameter twice', 400, fc.constant(inBody((bytes) => `${bytes}&${String(bytes).split('&')[0]}`))]
    return
  }
  yield ['JSON that is cut off', 400, fc.nat().map((at) => inBody((bytes) => bytes.subarray(0, 1 + (at % (bytes.length - 1)))))]
  yield ['more than JSON', 400, fc.constantFrom('{}', ',', '}', 'x', '\0', '//').map((more) => inBody((bytes) => `${bytes}${more}`))]
  const nested = (depth: number) => inBody((bytes) => `${'['.repeat(depth)}${bytes}${']'.repeat(depth)}`)
  yield ['deep nesting', 400, fc.integer({ min: 33, max: 60_000 }).map(nested)]
}

/** JSON has numbers that JavaScript has not. */
function jsonOf(value: unknown): string {
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown }
  const written = (item: unknown) => (item === Infinity ? '1e400' : item === -Infinity ? '-1e400' : Object.is(item, -0) ? '-0' : undefined)
  return JSON.stringify(value, (_, item) => {
    const text = written(item)
    return text === undefined ? item : rawJSON(text)
  })
}

export function wireOf(baseUrl: string, id: OperationId, token: string | undefined, { path, query, header, body }: Parts): Wire {
  const { method, path: template } = operations[id]
  const type = operationOf(id).body?.mediaType
  const pathname = template.replaceAll(/\{(\w+)\}/g, (_, name) => encodeURIComponent((path as Record<string, string>)[name] ?? ''))
  const pairs = Object.entries(query ?? {}).flatMap(([name, value]) => [value].flat().map((item) => [name, String(item)] as const))
  const search = pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&')
  return {
    method,
    url: `${baseUrl}/api/v1${pathname}${search === '' ? '' : `?${search}`}`,
    headers: {
      ...(type !== undefined && { 'Content-Type': type }),
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      ...(header as Record<string, string>),
    },
    body: type === undefined ? undefined : Buffer.from(isForm(id) ? `${new URLSearchParams(body as Record<string, string>)}` : jsonOf(body)),
  }
}

/** Something that contradicts the contract, with a line for a shell that shows it again. */
export class Breach extends Error {
  constructor(what: string, wire: Wire, { status, text }: Pick<Answered, 'status' | 'text'>) {
    super(`${what}\n  ${status} ${text.slice(0, 500)}\n  ${curlOf(wire)}`)
  }
}

/**
 * Sends a request.
 * @throws Breach when the document does not describe the answer
 */
export async function sendWire(id: OperationId, wire: Wire): Promise<Answered> {
  const answer = await transmit(wire)
  try {
    checkAnswer(id, answer.status, answer.headers, answer.text)
  } catch (error) {
    throw new Breach(String((error as Error).message.split('\n')[0]), wire, answer)
  }
  return { ...answer, body: answer.text === '' ? undefined : JSON.parse(answer.text) }
}

async function transmit({ method, url, headers, body }: Wire): Promise<Omit<Answered, 'body'>> {
  if (body === undefined || body.length <= LARGEST_BODY) {
    const response = await fetch(url, { method, headers, ...(body && { body: new Uint8Array(body) }), redirect: 'manual' })
    return { status: response.status, headers: response.headers, text: await textOf(response) }
  }
  // The server answers and hangs up before it has read all of this, of which fetch makes an error.
  const { origin, host } = new URL(url)
  const all = Object.entries({ Host: host, Connection: 'close', 'Transfer-Encoding': 'chunked', ...headers })
  const head = `${method} ${url.slice(origin.length)} HTTP/1.1\r\n${all.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
  const chunk = [Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]
  const { body: text, ...answer } = await exchange(origin, Buffer.concat([Buffer.from(head), ...chunk]))
  return { ...answer, text }
}

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`

export function curlOf({ method, url, headers, body }: Wire): string {
  // curl would name a media type of its own where there must be none.
  const all = Object.entries({ ...(body && { 'Content-Type': '' }), ...headers })
  const options = all.map(([name, value]) => ` -H ${quoted(`${name}: ${value}`.trimEnd())}`).join('')
  const curl = `curl -isgX ${method} --path-as-is${options} ${quoted(url)}`
  if (body === undefined) return curl
  const text = body.toString('latin1')
  if (/^[\x20-\x7e]{0,2000}$/.test(text)) return `${curl} --data-binary ${quoted(text)}`
  return `printf ${gzipSync(body).toString('base64')} | base64 -d | gunzip | ${curl} --data-binary @-`
}
