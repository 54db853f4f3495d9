import { readFileSync } from 'node:fs'
import path from 'node:path'
import { load } from 'js-yaml'

/** A JSON Schema of draft 2020-12, as far as this code looks into one. */
export type Schema = {
  $ref?: string
  type?: string | string[]
  properties?: Record<string, Schema>
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  additionalProperties?: boolean | Schema
  const?: unknown
  [keyword: string]: unknown
}

export type Parameter = {
  name: string
  in: 'path' | 'query' | 'header'
  required?: boolean
  schema: Schema
}
type Header = { required?: boolean; schema: Schema }
type MediaType = { schema: Schema }
export type ResponseSpec = {
  headers?: Record<string, Header>
  content?: Record<string, MediaType>
}
type SecurityRequirement = Record<string, string[]>

type OperationObject = {
  operationId?: string
  tags?: string[]
  deprecated?: boolean
  security?: SecurityRequirement[]
  parameters?: unknown[]
  requestBody?: unknown
  responses: Record<string, unknown>
  'x-oauth2-errors'?: boolean
  'x-deprecated-on'?: unknown
  'x-sunset-on'?: unknown
}

export type OpenApiDocument = {
  info: { title: string; version: string }
  servers: { url: string }[]
  paths: Record<string, Record<string, unknown>>
  /** What the server sends, by name. */
  webhooks?: Record<string, Record<string, unknown>>
  components: {
    schemas: Record<string, Schema>
    securitySchemes: Record<string, unknown>
  }
}

/** One operation, with its references to components resolved, save for those inside schemas. */
export type Operation = Readonly<{
  id: string
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** As in the document: `/tasks/{taskId}`, below the server's base path. */
  path: string
  tag: string
  /** The names of the security schemes that are accepted; none for a public operation. */
  schemes: readonly string[]
  scopes: readonly string[]
  parameters: readonly Parameter[]
  body: Readonly<{ required: boolean; mediaType: string; schema: Schema }> | undefined
  responses: ReadonlyMap<number, ResponseSpec>
  /** Whether its problems carry the members of RFC 6749 §5.2 as well. */
  oauth2Errors: boolean
  /** Headers that announce the end of an operation that is deprecated; none otherwise. */
  deprecation: Readonly<Record<string, string>>
}>

export type Spec = Readonly<{
  document: OpenApiDocument
  text: string
  basePath: string
  operations: readonly Operation[]
}>

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const
/** The server answers HEAD and OPTIONS by itself, and TRACE never. */
const OTHER_METHODS = ['head', 'options', 'trace']
const SPEC_FILE = path.resolve(import.meta.dirname, '../../openapi.yaml')

/** A mistake in openapi.yaml, found before the server starts. */
export class SpecError extends Error {}

/**
 * Reads openapi.yaml.
 * @throws SpecError on anything in it that the server would not enforce
 */
export function readSpec(file = SPEC_FILE): Spec {
  return parseSpec(readFileSync(file, 'utf8'))
}

export function parseSpec(text: string): Spec {
  const document = load(text) as OpenApiDocument
  requireReferences(document, document)
  const operations = Object.entries(document.paths).flatMap(([path, item]) => {
    const other = OTHER_METHODS.find((method) => method in item)
    if (other !== undefined) throw new SpecError(`${other.toUpperCase()} ${path} cannot be an operation.`)
    return METHODS.flatMap((method) => {
      const operation = item[method] as OperationObject | undefined
      return operation === undefined ? [] : [readOperation(document, path, item, method, operation)]
    })
  })
  const [twice] = operations.filter(({ id }, index) => operations.findIndex((other) => other.id === id) !== index)
  if (twice !== undefined) throw new SpecError(`Two operations are called ${twice.id}.`)
  return {
    document,
    text,
    basePath: document.servers[0]?.url ?? '',
    operations,
  }
}

function readOperation(
  document: OpenApiDocument,
  path: string,
  item: Record<string, unknown>,
  method: (typeof METHODS)[number],
  operation: OperationObject,
): Operation {
  const id = operation.operationId
  if (id === undefined) throw new SpecError(`${method.toUpperCase()} ${path} has no operationId.`)
  const fail = (message: string) => new SpecError(`${id}: ${message}`)
  const resolved = <T>(node: unknown) => resolve<T>(document, node)

  const [tag, ...otherTags] = operation.tags ?? []
  if (tag === undefined || otherTags.length > 0) throw fail('must have exactly one tag.')

  if (method === 'get' && operation.requestBody !== undefined) throw fail('GET has no request body.')

  const { security } = operation
  if (security === undefined) throw fail('says nothing about security; write "security: []" for a public operation.')
  const requirements = security.map((requirement) => Object.entries(requirement))
  if (requirements.some((entries) => entries.length !== 1)) throw fail('each security alternative must name exactly one scheme.')
  const alternatives = requirements.flat()
  const scopes = alternatives[0]?.[1] ?? []
  if (alternatives.some(([, others]) => others.join() !== scopes.join())) {
    throw fail('every security alternative must demand the same scopes, or a token of one kind passes without them.')
  }
  for (const [scheme] of alternatives) {
    if (!(scheme in document.components.securitySchemes)) throw fail(`names the security scheme ${scheme}, which does not exist.`)
  }

  const parameters = [...((item['parameters'] as unknown[]) ?? []), ...(operation.parameters ?? [])].map((node) => resolved<Parameter>(node))
  for (const parameter of parameters) {
    if (!['path', 'query', 'header'].includes(parameter.in)) throw fail(`has a ${parameter.in} parameter, which is not supported.`)
    if (parameter.schema === undefined) throw fail(`its parameter ${parameter.name} has no schema.`)
  }
  const named = parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
  if (named.toSorted().join() !== inPath.toSorted().join())
    throw fail(`describes the path parameters ${named.join(', ')}, but has ${inPath.join(', ')}.`)

  const responses = new Map(Object.entries(operation.responses).map(([status, node]) => [Number(status), resolveResponse(document, node)]))
  if ([...responses.keys()].some(Number.isNaN)) throw fail('has a response that is no status code.')

  return {
    id,
    method: method.toUpperCase() as Operation['method'],
    path,
    tag,
    schemes: alternatives.map(([scheme]) => scheme),
    scopes,
    parameters,
    body: readBody(document, operation, fail),
    responses,
    oauth2Errors: operation['x-oauth2-errors'] === true,
    deprecation: readDeprecation(operation, fail),
  }
}

/** Since when an operation is deprecated (RFC 9745 §2) and when it will be gone (RFC 8594 §3). */
function readDeprecation(operation: OperationObject, fail: (message: string) => SpecError): Operation['deprecation'] {
  if (operation.deprecated !== true) return {}
  const dayOf = (name: 'x-deprecated-on' | 'x-sunset-on') => {
    const day = new Date(String(operation[name]))
    if (Number.isNaN(day.getTime())) throw fail(`is deprecated, so it needs the date ${name}.`)
    return day
  }
  return { Deprecation: `@${dayOf('x-deprecated-on').getTime() / 1000}`, Sunset: dayOf('x-sunset-on').toUTCString() }
}

function readBody(document: OpenApiDocument, operation: OperationObject, fail: (message: string) => SpecError): Operation['body'] {
  if (operation.requestBody === undefined) return undefined
  const body = resolve<{
    required?: boolean
    content: Record<string, MediaType>
  }>(document, operation.requestBody)
  const [entry, ...others] = Object.entries(body.content)
  if (entry === undefined || others.length > 0) throw fail('its request body must have exactly one media type.')
  const [mediaType, { schema }] = entry
  requireClosed(document, schema, fail, new Set())
  return { required: body.required === true, mediaType, schema }
}

/** Unknown fields are refused only where the schema says so: every object in a request body must say something. */
function requireClosed(document: OpenApiDocument, node: Schema, fail: (message: string) => SpecError, seen: Set<Schema>): void {
  const schema = resolve<Schema>(document, node)
  if (seen.has(schema)) return
  seen.add(schema)
  const isObject = schema.properties !== undefined || [schema.type].flat().includes('object')
  if (isObject && (schema.additionalProperties ?? true) === true) throw fail('an object in its request body lets unknown fields pass.')
  for (const child of innerSchemas(schema)) requireClosed(document, child, fail, seen)
}

/** The schemas right inside a schema. */
export function innerSchemas({ properties, items, anyOf = [], oneOf = [], allOf = [], additionalProperties }: Schema): Schema[] {
  return [
    ...Object.values(properties ?? {}),
    ...(items ? [items] : []),
    ...anyOf,
    ...oneOf,
    ...allOf,
    ...(typeof additionalProperties === 'object' ? [additionalProperties] : []),
  ]
}

function requireReferences(document: OpenApiDocument, node: unknown): void {
  if (typeof node !== 'object' || node === null) return
  if ('$ref' in node) resolve(document, node)
  for (const child of Object.values(node)) requireReferences(document, child)
}

function resolveResponse(document: OpenApiDocument, node: unknown): ResponseSpec {
  const response = resolve<ResponseSpec>(document, node)
  const headers = Object.entries(response.headers ?? {}).map(([name, header]) => [name, resolve<Header>(document, header)] as const)
  return { ...response, headers: Object.fromEntries(headers) }
}

/** The component that a reference names, or the node itself. */
export function resolve<T>(document: OpenApiDocument, node: unknown): T {
  if (typeof node !== 'object' || node === null) throw new SpecError(`Expected an object instead of ${String(node)}.`)
  if (!('$ref' in node)) return node as T
  const reference = String(node.$ref)
  if (!reference.startsWith('#/')) throw new SpecError(`The reference ${reference} leaves the document.`)
  let target: unknown = document
  for (const key of reference.slice(2).split('/')) target = (target as Record<string, unknown> | undefined)?.[key]
  if (target === undefined) throw new SpecError(`The reference ${reference} leads nowhere.`)
  return resolve<T>(document, target)
}
