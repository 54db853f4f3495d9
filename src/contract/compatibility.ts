import { COMPARED_KEYWORDS, DOCUMENTATION, differencesOf, type Effect } from './schema-differences.ts'
import { type Operation, type Parameter, type ResponseSpec, type Schema, type Spec, SpecError } from './spec.ts'

/** A difference between two versions of the document that a client can notice. */
export type Change = Readonly<{
  /** `createTask body/title`, `getTask 200 header ETag`; or what belongs to no operation, such as `security scheme oauth2`. */
  place: string
  /** `maxLength 255 → 200` */
  what: string
  /** Why it breaks clients, if it does. */
  breaks: string | undefined
}>

const REFUSED = 'What a client sends today may be refused, or mean something else.'
const UNEXPECTED = 'A client may receive what it has never had to expect.'
const MISSING = 'A client that relies on it finds nothing.'
const LOCKED_OUT = 'A client that gets in today may not get in any more.'
const NAMED = 'The SDK and generated clients have another name for it.'
const HURRIED = 'It ends sooner than its clients could know.'

/** The notice that openapi.yaml promises to those who call an operation that will be gone: six months. */
const NOTICE_MILLISECONDS = 180 * 24 * 60 * 60 * 1000

/**
 * What has changed from one version of the document to another for those who wrote a client for the first.
 *
 * What a client sends may only become wider, and what it receives only narrower. It has to bear, however, operations, fields, headers and error
 * statuses that it does not know (RFC 9110 §15 has it take those for 400 or 500), and more values of the enums in problem documents: a client that does
 * not know a `code` still has the status, and no new rule of the server could have a code within v1 otherwise. An operation may go after the day that was
 * announced for it. Texts for people are not compared.
 * @throws SpecError on a key that is not compared, lest its change pass unseen
 */
export function compareSpecs(released: Spec, now: Spec, today = new Date()): Change[] {
  for (const { document } of [released, now]) requireKnown(document, 'document', '#')
  const changes = [
    ...compareServers(released, now),
    ...compareSecuritySchemes(released, now),
    ...compareOperations(released, now, today),
    ...compareWebhooks(released, now),
  ]
  // A schema of two types has the keywords of both, and a keyword that differs differs twice.
  return [...new Map(changes.map((change) => [JSON.stringify(change), change])).values()]
}

const breaking = (place: string, what: string, breaks: string): Change => ({ place, what, breaks })
const compatible = (place: string, what: string): Change => ({ place, what, breaks: undefined })

function* compareServers({ document: released }: Spec, { document: now }: Spec): Generator<Change> {
  const urls = now.servers.map(({ url }) => url)
  for (const { url } of released.servers) if (!urls.includes(url)) yield breaking('servers', `${url} → ${urls.join(', ')}`, MISSING)
}

function* compareSecuritySchemes({ document: released }: Spec, { document: now }: Spec): Generator<Change> {
  const schemesOf = ({ components }: typeof now) => Object.entries(components.securitySchemes)
  for (const [name, before, after] of join(schemesOf(released), schemesOf(now))) {
    const place = `security scheme ${name}`
    if (before === undefined) yield compatible(place, 'new')
    else if (after === undefined) yield breaking(place, 'removed', LOCKED_OUT)
    else {
      for (const [setting, was, is] of join(settingsOf(before), settingsOf(after))) {
        if (was === undefined) yield compatible(place, `${setting} new`)
        else if (is === undefined) yield breaking(place, `${setting} removed`, LOCKED_OUT)
        else if (was !== is) yield breaking(place, `${setting} ${was} → ${is}`, LOCKED_OUT)
      }
    }
  }
}

/** All that a security scheme says, by its path in it. What a scope means and what a token looks like is for people. */
function settingsOf(node: unknown, path = ''): [setting: string, value: string][] {
  if (typeof node !== 'object' || node === null) return [[path, path.includes('/scopes/') ? '' : String(node)]]
  return Object.entries(node).flatMap(([key, value]) =>
    key === 'description' || key === 'bearerFormat' ? [] : settingsOf(value, path === '' ? key : `${path}/${key}`),
  )
}

function* compareOperations(released: Spec, now: Spec, today: Date): Generator<Change> {
  const ids = new Set(released.operations.map(({ id }) => id))
  const pairs = released.operations.map((operation) => {
    const renamed = (other: Operation) => !ids.has(other.id) && other.method === operation.method && addressOf(other) === addressOf(operation)
    return [operation, now.operations.find(({ id }) => id === operation.id) ?? now.operations.find(renamed)] as const
  })
  for (const [operation, other] of pairs) {
    if (other === undefined) {
      const { Sunset: end } = operation.deprecation
      const isOver = end !== undefined && Date.parse(end) <= today.getTime()
      const what = `operation removed (${operation.method} ${operation.path})`
      yield isOver ? compatible(operation.id, `${what} after ${end}`) : breaking(operation.id, what, MISSING)
    } else yield* compareOperation(operation, other, (schema, otherSchema) => differencesOf({ ...released, schema }, { ...now, schema: otherSchema }))
  }
  for (const operation of now.operations) if (!pairs.some(([, other]) => other === operation)) yield compatible(operation.id, 'new operation')
}

/** What the server sends by itself: to its receiver it is what an answer is to a client. */
function* compareWebhooks(released: Spec, now: Spec): Generator<Change> {
  for (const [name, before, after] of join(payloadsOf(released), payloadsOf(now))) {
    const place = `webhook ${name}`
    if (before === undefined) yield compatible(place, 'new')
    else if (after === undefined) yield breaking(place, 'removed', MISSING)
    else yield* judge(place, differencesOf({ ...released, schema: before }, { ...now, schema: after }), 'response')
  }
}

function payloadsOf({ document }: Spec): [name: string, payload: Schema][] {
  return Object.entries(document.webhooks ?? {}).map(([name, { post }]) => {
    const { requestBody } = post as { requestBody: { content: Record<string, { schema: Schema }> } }
    return [name, requestBody.content['application/json']?.schema ?? {}]
  })
}

type CompareSchemas = (released: Schema, now: Schema) => ReturnType<typeof differencesOf>

function* compareOperation(released: Operation, now: Operation, compareSchemas: CompareSchemas): Generator<Change> {
  const { id } = released
  if (now.id !== id) yield breaking(id, `operationId ${id} → ${now.id}`, NAMED)
  if (now.tag !== released.tag) yield breaking(id, `tag ${released.tag} → ${now.tag}`, NAMED)
  if (now.method !== released.method) yield breaking(id, `method ${released.method} → ${now.method}`, MISSING)
  if (addressOf(now) !== addressOf(released)) yield breaking(id, `path ${released.path} → ${now.path}`, MISSING)
  if (now.oauth2Errors !== released.oauth2Errors) yield breaking(id, `x-oauth2-errors ${released.oauth2Errors} → ${now.oauth2Errors}`, UNEXPECTED)
  yield* compareDeprecation(released, now)
  yield* compareSecurity(released, now)

  for (const [, before, after] of join(parametersOf(released), parametersOf(now))) {
    const parameter = before ?? after
    const place = `${id} ${parameter?.in} ${parameter?.name}`
    if (before === undefined) yield arrival(place, 'parameter', after?.required)
    else if (after === undefined) yield breaking(place, 'parameter removed', REFUSED)
    else {
      if (before.in === 'path' && before.name !== after.name) yield breaking(place, `name ${before.name} → ${after.name}`, NAMED)
      yield* judge(place, [...compareRequired(before, after), ...compareSchemas(before.schema, after.schema)], 'request')
    }
  }

  const place = `${id} body`
  if (released.body === undefined) {
    if (now.body !== undefined) yield arrival(place, 'body', now.body.required)
  } else if (now.body === undefined) yield breaking(place, 'body removed', REFUSED)
  else {
    if (now.body.mediaType !== released.body.mediaType) yield breaking(place, `${released.body.mediaType} → ${now.body.mediaType}`, REFUSED)
    yield* judge(place, [...compareRequired(released.body, now.body), ...compareSchemas(released.body.schema, now.body.schema)], 'request')
  }

  for (const [status, before, after] of join(released.responses, now.responses)) {
    // What a client takes for the answer itself. An error less or more it can bear, and a 304 comes to those who ask for it.
    const isExpected = status < 400 && status !== 304
    const what = before === undefined ? 'new response' : 'response removed'
    if (before && after) yield* compareResponse(`${id} ${status}`, before, after, compareSchemas)
    else yield isExpected ? breaking(`${id} ${status}`, what, before ? MISSING : UNEXPECTED) : compatible(`${id} ${status}`, what)
  }
}

function* compareDeprecation(
  { id, deprecation: { Sunset: was } }: Operation,
  { deprecation: { Deprecation: since, Sunset: is } }: Operation,
): Generator<Change> {
  if (was === is) return
  const earliest = was === undefined ? Number(since?.slice(1)) * 1000 + NOTICE_MILLISECONDS : Date.parse(was)
  const what = `end announced for ${was ?? 'no day'} → ${is ?? 'no day'}`
  yield is !== undefined && Date.parse(is) < earliest ? breaking(id, what, HURRIED) : compatible(id, what)
}

function* compareSecurity({ id, schemes, scopes }: Operation, now: Operation): Generator<Change> {
  const isPublic = now.schemes.length === 0
  if (schemes.length === 0 || isPublic) {
    if (!isPublic) yield breaking(id, `public → ${now.schemes.join(' or ')}`, LOCKED_OUT)
    else if (schemes.length > 0) yield compatible(id, `${schemes.join(' or ')} → public`)
    return
  }
  for (const scheme of schemes) if (!now.schemes.includes(scheme)) yield breaking(id, `security scheme ${scheme} removed`, LOCKED_OUT)
  for (const scheme of now.schemes) if (!schemes.includes(scheme)) yield compatible(id, `security scheme ${scheme} new`)
  for (const scope of now.scopes) if (!scopes.includes(scope)) yield breaking(id, `scope ${scope} demanded`, LOCKED_OUT)
  for (const scope of scopes) if (!now.scopes.includes(scope)) yield compatible(id, `scope ${scope} no longer demanded`)
}

function* compareResponse(place: string, released: ResponseSpec, now: ResponseSpec, compareSchemas: CompareSchemas): Generator<Change> {
  for (const [mediaType, before, after] of join(Object.entries(released.content ?? {}), Object.entries(now.content ?? {}))) {
    const problem = mediaType === 'application/problem+json'
    if (before === undefined) yield compatible(`${place} body`, `${mediaType} new`)
    else if (after === undefined) yield breaking(`${place} body`, `${mediaType} removed`, MISSING)
    else yield* judge(`${place} body`, compareSchemas(before.schema, after.schema), problem ? 'problem' : 'response')
  }
  for (const [name, before, after] of join(headersOf(released), headersOf(now))) {
    const header = `${place} header ${name}`
    if (before === undefined) yield compatible(header, 'new header')
    else if (after === undefined) yield breaking(header, 'header removed', MISSING)
    else yield* judge(header, [...compareRequired(before, after), ...compareSchemas(before.schema, after.schema)], 'response')
  }
}

type Direction = 'request' | 'response' | 'problem'

/** Whom a change of what fits breaks: those who send it, or those who receive it. */
const BROKEN: Readonly<Record<Effect, readonly Direction[]>> = {
  narrower: ['request'],
  wider: ['response', 'problem'],
  'more values': ['response'],
  different: ['request', 'response', 'problem'],
  harmless: [],
}

function* judge(place: string, differences: readonly { path?: string; effect: Effect; what: string }[], direction: Direction): Generator<Change> {
  for (const { path = '', effect, what } of differences) {
    const breaks = direction === 'request' ? REFUSED : what === 'field removed' ? MISSING : UNEXPECTED
    yield BROKEN[effect].includes(direction) ? breaking(place + path, what, breaks) : compatible(place + path, what)
  }
}

function compareRequired({ required: was = false }: { required?: boolean }, { required: is = false }: { required?: boolean }) {
  if (was === is) return []
  return is ? ([{ effect: 'narrower', what: 'optional → required' }] as const) : ([{ effect: 'wider', what: 'required → optional' }] as const)
}

const arrival = (place: string, kind: string, required = false) =>
  required ? breaking(place, `new required ${kind}`, REFUSED) : compatible(place, `new ${kind}`)

/** A path as it goes over the wire: its parameters have a place there, but no name. */
const addressOf = ({ path }: Operation) => path.replaceAll(/\{\w+\}/g, '{}')

function parametersOf({ path, parameters }: Operation): [key: string, Parameter][] {
  const keyOf = ({ in: part, name }: Parameter) => {
    if (part === 'path') return path.slice(0, path.indexOf(`{${name}}`)).split('{').length
    return part === 'header' ? name.toLowerCase() : name
  }
  return parameters.map((parameter) => [`${parameter.in} ${keyOf(parameter)}`, parameter])
}

const headersOf = ({ headers = {} }: ResponseSpec) => Object.entries(headers).map(([name, header]) => [name.toLowerCase(), header] as const)

/** What two collections have under each key. */
function join<Key, Value>(released: Iterable<readonly [Key, Value]>, now: Iterable<readonly [Key, Value]>) {
  const [before, after] = [new Map(released), new Map(now)]
  return [...new Set([...before.keys(), ...after.keys()])].map((key) => [key, before.get(key), after.get(key)] as const)
}

/**
 * The keys of each kind of node that are compared. One says what is below it: a node of some kind (`schema`), a list (`schema[]`) or a map of them
 * (`schema{}`), or nothing that has to be known.
 */
const KEYS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  document: { openapi: '', info: '', tags: '', servers: 'server[]', paths: 'path{}', webhooks: 'path{}', components: 'components' },
  server: { url: '' },
  path: { parameters: 'parameter[]', ...Object.fromEntries(['get', 'post', 'put', 'patch', 'delete'].map((method) => [method, 'operation'])) },
  operation: {
    ...{ operationId: '', tags: '', security: '', 'x-oauth2-errors': '', 'x-deprecated-on': '', 'x-sunset-on': '' },
    ...{ parameters: 'parameter[]', requestBody: 'body', responses: 'response{}' },
  },
  parameter: { name: '', in: '', required: '', schema: 'schema' },
  body: { required: '', content: 'content{}' },
  response: { headers: 'header{}', content: 'content{}' },
  header: { required: '', schema: 'schema' },
  content: { schema: 'schema' },
  schema: {
    ...Object.fromEntries(COMPARED_KEYWORDS.map((keyword) => [keyword, ''])),
    ...{ properties: 'schema{}', items: 'schema', anyOf: 'schema[]', oneOf: 'schema[]', additionalProperties: 'schema' },
  },
  components: {
    ...{ schemas: 'schema{}', parameters: 'parameter{}', headers: 'header{}', responses: 'response{}', requestBodies: 'body{}' },
    securitySchemes: '',
  },
}

function requireKnown(node: unknown, kind: string, pointer: string): void {
  if (typeof node !== 'object' || node === null) return
  for (const [key, child] of Object.entries(node)) {
    if (key === '$ref' || DOCUMENTATION.includes(key)) continue
    const below = Object.hasOwn(KEYS[kind] ?? {}, key) ? KEYS[kind]?.[key] : undefined
    if (below === undefined) {
      throw new SpecError(`${pointer} has ${key}, which spec:diff does not compare. Teach src/contract/compatibility.ts what it means to clients.`)
    }
    const [, name = '', isMany = ''] = /^(\w+)(\W*)$/.exec(below) ?? []
    if (name === '') continue
    for (const [step, grandchild] of isMany === '' ? [['', child] as const] : Object.entries(child as object)) {
      requireKnown(grandchild, name, step === '' ? `${pointer}/${key}` : `${pointer}/${key}/${step}`)
    }
  }
}
