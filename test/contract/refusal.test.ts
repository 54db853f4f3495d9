import { fastify } from 'fastify'
import t from 'tap'
import { bindContract } from '../../src/contract/bind.ts'
import { parseSpec, readSpec, SpecError } from '../../src/contract/spec.ts'
import type { Authenticator, Handlers } from '../../src/contract/types.ts'
import { OPERATIONS } from './walk.ts'

const { text } = readSpec()
const authenticate = () => {
  throw new Error('nobody calls')
}
const nobody: Authenticator = { recognises: () => true, authenticate }
const HANDLERS: Record<string, unknown> = Object.fromEntries(OPERATIONS.map((id) => [id, authenticate]))
const AUTHENTICATORS: Record<string, Authenticator> = { oauth2: nobody, bearerAuth: nobody, apiToken: nobody }

/** What a server would do with this document before it listens. */
async function start(document: string, handlers = HANDLERS, authenticators = AUTHENTICATORS): Promise<void> {
  const app = fastify()
  bindContract(app, {
    spec: parseSpec(document),
    handlers: handlers as unknown as Handlers,
    security: { authenticators, denied: () => undefined },
    idempotency: authenticate,
  })
  await app.ready()
}

/** The real document with a small change. */
function edited(from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`openapi.yaml no longer holds ${from}`)
  return text.replace(from, to)
}

const BEARER_READ = '- bearerAuth: ["account:read"]'
const REGISTRATION = '          application/json:\n            schema: { $ref: "#/components/schemas/Registration" }\n'
const TASK_ID = '    parameters:\n      - $ref: "#/components/parameters/TaskId"\n'
const INTERNAL_ERROR = '"500": { $ref: "#/components/responses/InternalError" }'

const MISTAKES: readonly [mistake: string, document: string, message: RegExp][] = [
  ['an operation without a word on security', edited('      security: []\n', ''), /^register: says nothing about security/],
  [
    'alternatives that demand different scopes',
    edited(BEARER_READ, '- bearerAuth: []'),
    /^getMe: every security alternative must demand the same scopes/,
  ],
  ['an alternative that lets everybody in', edited(BEARER_READ, '- {}'), /^getMe: each security alternative must name exactly one scheme/],
  ['two schemes at once', edited(BEARER_READ, '  bearerAuth: ["account:read"]'), /^getMe: each security alternative must name exactly one scheme/],
  ['an unknown scheme', edited(BEARER_READ, '- cookieAuth: ["account:read"]'), /^getMe: names the security scheme cookieAuth, which does not exist/],
  ['an operation without an id', edited('      operationId: getTask\n', ''), /^GET \/tasks\/\{taskId\} has no operationId/],
  ['two operations with one id', edited('operationId: getTask', 'operationId: getList'), /^Two operations are called getList/],
  ['an operation that nobody handles', edited('operationId: getTask', 'operationId: fetchTask'), /^The operation fetchTask has no handler/],
  ['an operation called like a method of objects', edited('operationId: getTask', 'operationId: toString'), /^The operation toString has no handler/],
  ['an operation without a tag', edited('Task\n      tags: [tasks]', 'Task\n      tags: []'), /^createListTask: must have exactly one tag/],
  [
    'an operation with two tags',
    edited('Task\n      tags: [tasks]', 'Task\n      tags: [tasks, lists]'),
    /^createListTask: must have exactly one tag/,
  ],
  [
    'an operation for HEAD',
    edited('  /health:\n', '  /health:\n    head: { operationId: x, responses: {} }\n'),
    /^HEAD \/health cannot be an operation/,
  ],
  ['an operation for OPTIONS', edited('  /health:\n', '  /health:\n    options: { operationId: x, responses: {} }\n'), /^OPTIONS \/health cannot be/],
  ['a body for GET', edited('operationId: getMe\n', 'operationId: getMe\n      requestBody: { content: {} }\n'), /^getMe: GET has no request body/],
  [
    'a path parameter that is not described',
    edited(`  /tasks/{taskId}:\n${TASK_ID}`, '  /tasks/{taskId}:\n'),
    /^getTask: describes the path parameters , but has taskId/,
  ],
  [
    'a path parameter that is not in the path',
    edited('  /tasks:\n', `  /tasks:\n${TASK_ID}`),
    /^listTasks: describes the path parameters taskId, but has/,
  ],
  [
    'a parameter in a cookie',
    edited('name: If-Match\n      in: header\n', 'name: If-Match\n      in: cookie\n'),
    /^updateList: has a cookie parameter, which is not supported/,
  ],
  [
    'two paths that are one',
    edited(`  /tasks/{taskId}:\n${TASK_ID}`, `  /lists/{taskId}:\n${TASK_ID}`),
    /already declared for route '\/api\/v1\/lists/,
  ],
  ['a path that comes twice', edited('  /categories:\n', '  /tasks:\n'), /duplicated mapping key/],
  ['a reference to no response', edited('"#/components/responses/NotFound"', '"#/components/responses/Nowhere"'), /Nowhere leads nowhere/],
  ['a reference to no parameter', edited('"#/components/parameters/Limit"', '"#/components/parameters/Limits"'), /Limits leads nowhere/],
  ['a reference to no header', edited('"#/components/headers/Location"', '"#/components/headers/Place"'), /Place leads nowhere/],
  ['a reference from a request to no schema', edited('schemas/Email", x-trim', 'schemas/Mail", x-trim'), /schemas\/Mail leads nowhere/],
  [
    'a reference from an answer to no schema',
    edited('openTasks: { $ref: "#/components/schemas/Count"', 'openTasks: { $ref: "#/components/schemas/Sum"'),
    /Sum leads nowhere/,
  ],
  [
    'a reference from a problem to no schema',
    edited('code: { $ref: "#/components/schemas/ProblemCode" }', 'code: { $ref: "#/components/schemas/X" }'),
    /X leads nowhere/,
  ],
  [
    'a reference to another file',
    edited('"#/components/schemas/Registration"', '"other.yaml#/Registration"'),
    /^The reference other\.yaml#\/Registration leaves the document/,
  ],
  [
    'a misspelt keyword in a request',
    edited('minLength: 3\n      maxLength: 32', 'minLength: 3\n      maxLenght: 32'),
    /^The schema Username has the unknown keyword maxLenght/,
  ],
  [
    'a misspelt keyword in an answer',
    edited('minLength: 20\n      maxLength', 'minLength: 20\n      maxLenght'),
    /^The schema AccessToken has the unknown keyword maxLenght/,
  ],
  [
    'a misspelt keyword inside a property',
    edited('detail: { type: string, maxLength: 255', 'detail: { type: string, maxLenght: 255'),
    /^The schema HealthCheck has the unknown keyword/,
  ],
  [
    'a misspelt keyword in a parameter',
    edited('maximum: 100, default: 20', 'maximun: 100, default: 20'),
    /^The schema of the parameter limit has the unknown keyword maximun/,
  ],
  ['an unknown format in a request', edited('format: email', 'format: e-mail'), /^The schema Email has the unknown format e-mail/],
  [
    'an unknown format in an answer',
    edited('format: date-time\n      maxLength: 24', 'format: datetime\n      maxLength: 24'),
    /^The schema Instant has the unknown format datetime/,
  ],
  [
    'an unknown type',
    edited('    Username:\n      type: string', '    Username:\n      type: text'),
    /^The schema Username has the unknown type text/,
  ],
  ['a pattern that is none', edited('pattern: "^[A-Za-z0-9._-]+$"\n      examples: [ada]', 'pattern: "^[A-Za-z"'), /Invalid regular expression/],
  [
    'a request that lets unknown fields pass',
    edited('    NewList:\n      type: object\n      additionalProperties: false\n', '    NewList:\n      type: object\n'),
    /^createList: an object in its request body lets unknown fields pass/,
  ],
  [
    'an object without properties inside a request',
    edited('    ListDescription:\n      type: [string, "null"]', '    ListDescription:\n      type: [object, "null"]'),
    /^createList: an object in its request body lets/,
  ],
  [
    'a request that says that unknown fields may pass',
    edited(
      '    NewList:\n      type: object\n      additionalProperties: false\n',
      '    NewList:\n      type: object\n      additionalProperties: true\n',
    ),
    /^createList: an object in its request body lets unknown fields pass/,
  ],
  [
    'a keyword that nothing here looks into',
    edited('    NewList:\n      type: object\n', '    NewList:\n      type: object\n      patternProperties: { "^x-": { type: object } }\n'),
    /^The schema NewList has the keyword patternProperties, which is not supported/,
  ],
  [
    'a parameter without a schema',
    text.replace(/(name: If-Match\n.*\n.*\n) {6}schema: .*/, '$1      content: { application/json: { schema: { type: string } } }'),
    /^updateList: its parameter If-Match has no schema/,
  ],
  [
    'a request with two media types',
    edited(REGISTRATION, `${REGISTRATION}          text/csv:\n            schema: { type: string }\n`),
    /^register: its request body must have exactly one media type/,
  ],
  [
    'a media type that nothing parses',
    edited(REGISTRATION, REGISTRATION.replace('application/json', 'text/csv')),
    /^There is no parser for text\/csv/,
  ],
  ['a default response', edited(INTERNAL_ERROR, INTERNAL_ERROR.replace('"500"', 'default')), /^register: has a response that is no status code/],
  ['a range of responses', edited(INTERNAL_ERROR, INTERNAL_ERROR.replace('"500"', '5XX')), /^register: has a response that is no status code/],
  ['what is no YAML', '{', /unexpected end of the stream/],
]

t.test('the binder refuses to start', async (t) => {
  t.test('not on the real document', async (t) => {
    await t.resolves(start(text))
  })

  for (const [mistake, document, message] of MISTAKES) {
    t.test(`on ${mistake}`, async (t) => {
      await t.rejects(start(document), { message })
    })
  }

  t.test('on a missing and on an unknown handler', async (t) => {
    const { getTask, ...others } = HANDLERS
    await t.rejects(start(text, others), new SpecError('The operation getTask has no handler.'))
    await t.rejects(start(text, { ...HANDLERS, flyToTheMoon: getTask }), new SpecError('The handler flyToTheMoon belongs to no operation.'))
  })

  t.test('on a scheme without an authenticator', async (t) => {
    const missing = (scheme: string) => new SpecError(`The security scheme ${scheme}, which logout names, has no authenticator.`)
    await t.rejects(start(text, HANDLERS, { bearerAuth: nobody }), missing('oauth2'))
    await t.rejects(start(text, HANDLERS, { oauth2: nobody }), missing('bearerAuth'))
  })
})
