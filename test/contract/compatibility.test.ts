import path from 'node:path'
import t from 'tap'
import { compareSpecs } from '../../src/contract/compatibility.ts'
import { parseSpec, readSpec } from '../../src/contract/spec.ts'

/** The last release: what is planted here does not depend on what is new. */
const { text } = readSpec(path.resolve(import.meta.dirname, '../../.released/openapi.yaml'))

/** The released document with small changes, or another one. */
function edited(from: string, to: string, document = text): string {
  if (!document.includes(from)) throw new Error(`openapi.yaml no longer holds ${from}`)
  return document.replace(from, () => to)
}

/** The released document with a line, or a few, less. */
const without = (lines: string) => edited(lines, '')

const idOf = (id: string) => `      operationId: ${id}\n`
const FIRST_SECURITY = '- oauth2: ["account:read"]\n        - bearerAuth: ["account:read"]'
const LOCATION = '            Location: { $ref: "#/components/headers/Location" }\n'
const PASSWORD = '      minLength: 8\n      maxLength: 256'
const LIMIT = 'schema: { type: integer, minimum: 1, maximum: 100, default: 20 }'
const PRIORITIES = '        type: array\n        maxItems: 3\n'
const NEW_LIST = '    NewList:\n      type: object\n      additionalProperties: false\n      required: [title]'
const LIVENESS = '        status: { type: string, enum: [ok] }\n'
const livenessIs = (schema: string) => edited(LIVENESS, `        status: ${schema}\n`)
const listIdIs = (schema: string) =>
  edited('listId: { $ref: "#/components/schemas/Id", description: The list to put it in; your inbox when absent. }', `listId: ${schema}`)
const LIST_PAGE = '            application/json:\n              schema: { $ref: "#/components/schemas/ListPage" }\n'
const CHECK_FIELDS = '      required: [status]\n      properties:\n        status: { $ref: "#/components/schemas/HealthStatus" }'
const OPEN = '      additionalProperties: { type: string, maxLength: 4096 }'
const FORBIDDEN = '        "403": { $ref: "#/components/responses/Forbidden" }\n'
const NEW_OPERATION = `  /tags:
    get:
      operationId: listTags
      tags: [tasks]
      security: []
      responses:
        "204": { description: Nothing. }
`
/** The document with a webhook, whose payload has this schema. */
const sending = (schema: string) =>
  edited(
    '\ncomponents:\n',
    `\nwebhooks:\n  changed:\n    post:\n      requestBody:\n        content:\n          application/json:\n            schema: ${schema}\n\ncomponents:\n`,
  )
const SENT = sending('{ type: object, properties: { id: { type: string }, type: { type: string, enum: [a] } }, required: [id, type] }')
const deprecated = (since: string, until: string) =>
  edited(idOf('deleteTask'), `${idOf('deleteTask')}      deprecated: true\n      x-deprecated-on: ${since}\n      x-sunset-on: ${until}\n`)
const sinceParameter = (more: string) =>
  edited('  /categories:\n', `  /categories:\n    parameters:\n      - { name: since, in: query, ${more}schema: { type: string } }\n`)

/** From the line with the first text up to the next one with the second. */
function cut(from: string, to: string, document = text): string {
  const start = document.indexOf(from)
  const end = document.indexOf(to, start)
  if (start === -1 || end === -1) throw new Error(`openapi.yaml no longer holds ${from} before ${to}`)
  return document.slice(0, start) + document.slice(end)
}

/** The kinds of due dates, in two orders. */
const [EITHER, EITHER_WAY] = [
  '{ anyOf: [{ type: string, format: date }, { type: string, format: date-time }, { type: "null" }] }',
  '{ anyOf: [{ type: "null" }, { type: string, format: date-time }, { type: string, format: date }] }',
]

/** A discriminated union, and the same with a variant more. */
const [ONE_OF_ONE, ONE_OF_TWO] = [['User'], ['Task', 'User']].map(
  (names) =>
    `{ type: object, discriminator: { propertyName: id }, oneOf: [${names.map((name) => `{ $ref: "#/components/schemas/${name}" }`).join(', ')}] }`,
) as [string, string]

type Planted = readonly [change: string, document: string, line: string, released?: string]

const BREAKING: readonly Planted[] = [
  ['a webhook removed', text, 'webhook changed: removed', SENT],
  [
    'a field of what is sent removed',
    sending('{ type: object, properties: { type: { type: string, enum: [a] } }, required: [type] }'),
    'webhook changed/id: field removed',
    SENT,
  ],
  ['a value of what is sent added', SENT.replace('[a]', '[a, b]'), 'webhook changed/type: also b', SENT],
  ['a path removed', cut('  /categories:\n', '  /admin/users:\n'), 'listCategories: operation removed (GET /categories)'],
  ['a path renamed', edited('  /categories:\n', '  /labels:\n'), 'listCategories: path /categories → /labels'],
  ['a path parameter renamed', edited('name: taskId', 'name: id', text.replaceAll('{taskId}', '{id}')), 'getTask path taskId: name taskId → id'],
  [
    'an operation removed',
    cut('    delete:\n      operationId: deleteTask', '  /categories:\n'),
    'deleteTask: operation removed (DELETE /tasks/{taskId})',
  ],
  ['a method changed', edited('    patch:\n      operationId: updateMe', '    put:\n      operationId: updateMe'), 'updateMe: method PATCH → PUT'],
  ['an operation renamed', edited(idOf('getTask'), idOf('fetchTask')), 'getTask: operationId getTask → fetchTask'],
  [
    'an operation in another group',
    edited(`${idOf('listCategories')}      tags: [tasks]`, `${idOf('listCategories')}      tags: [lists]`),
    'listCategories: tag tasks → lists',
  ],
  ['another form of errors', without('      x-oauth2-errors: true\n'), 'createToken: x-oauth2-errors true → false'],
  ['another base path', edited('- url: /api/v1', '- url: /api/v2'), 'servers: /api/v1 → /api/v2'],
  [
    'an end of an operation without notice',
    deprecated('2026-01-01', '2026-05-01'),
    'deleteTask: end announced for no day → Fri, 01 May 2026 00:00:00 GMT',
  ],
  [
    'an end that comes earlier than announced',
    deprecated('2026-01-01', '2027-01-01'),
    'deleteTask: end announced for Mon, 01 Feb 2027 00:00:00 GMT → Fri, 01 Jan 2027 00:00:00 GMT',
    deprecated('2026-01-01', '2027-02-01'),
  ],

  ['a scope demanded', edited(FIRST_SECURITY, FIRST_SECURITY.replaceAll(']', ', admin]')), 'getMe: scope admin demanded'],
  ['a scheme no longer accepted', without('        - bearerAuth: ["account:read"]\n'), 'getMe: security scheme bearerAuth removed'],
  ['a public operation secured', edited('security: []', 'security: [{ oauth2: [] }, { bearerAuth: [] }]'), 'register: public → oauth2 or bearerAuth'],
  ['a scope no longer offered', text.replace(/\n {12}admin: .*/, ''), 'security scheme oauth2: flows/password/scopes/admin removed'],
  [
    'tokens from elsewhere',
    edited('tokenUrl: /api/v1/auth/token', 'tokenUrl: /api/v1/token'),
    'security scheme oauth2: flows/password/tokenUrl /api/v1/auth/token → /api/v1/token',
  ],
  ['tokens sent otherwise', edited('scheme: bearer\n', 'scheme: basic\n'), 'security scheme bearerAuth: scheme bearer → basic'],

  ['a parameter demanded', sinceParameter('required: true, '), 'listCategories query since: new required parameter'],
  ['a parameter removed', without('        - $ref: "#/components/parameters/Search"\n'), 'listListTasks query q: parameter removed'],
  [
    'a parameter made required',
    edited('      name: sort\n', '      name: sort\n      required: true\n'),
    'listListTasks query sort: optional → required',
  ],
  ['a maximum lowered', edited(LIMIT, LIMIT.replace('100', '50')), 'listLists query limit: maximum 100 → 50'],
  ['a minimum raised', edited(LIMIT, LIMIT.replace('minimum: 1', 'minimum: 5')), 'listLists query limit: minimum 1 → 5'],
  ['a default changed', edited(LIMIT, LIMIT.replace('20', '10')), 'listLists query limit: default 20 → 10'],
  ['a default removed', edited(LIMIT, LIMIT.replace(', default: 20', '')), 'listLists query limit: default 20 → none'],
  ['a value no longer accepted', edited('title, -title]', 'title]'), 'listListTasks query sort: no longer -title'],
  ['fewer values at once', edited(PRIORITIES, PRIORITIES.replace('3', '2')), 'listListTasks query priority: maxItems 3 → 2'],
  ['at least some values', edited(PRIORITIES, `${PRIORITIES}        minItems: 1\n`), 'listListTasks query priority: minItems none → 1'],
  ['no value twice', edited(PRIORITIES, `${PRIORITIES}        uniqueItems: true\n`), 'listListTasks query priority: uniqueItems none → true'],
  ['one value instead of a list', edited(PRIORITIES, '        type: string\n'), 'listListTasks query priority: array → string'],

  [
    'a body where there was none',
    edited(
      idOf('logout'),
      `${idOf('logout')}      requestBody: { required: true, content: { application/json: { schema: { $ref: "#/components/schemas/Credentials" } } } }\n`,
    ),
    'logout body: new required body',
  ],
  ['a body removed', cut('      requestBody:\n', '      responses:\n'), 'register body: body removed'],
  [
    'another media type',
    edited('          application/x-www-form-urlencoded:\n', '          application/json:\n'),
    'createToken body: application/x-www-form-urlencoded → application/json',
  ],
  ['a field made required', edited(NEW_LIST, NEW_LIST.replace('title]', 'title, description]')), 'createList body/description: optional → required'],
  [
    'a field demanded',
    edited(
      `${NEW_LIST}\n      properties:\n`,
      `${NEW_LIST.replace('title]', 'title, colour]')}\n      properties:\n        colour: { type: string }\n`,
    ),
    'createList body/colour: new required field',
  ],
  [
    'a field of a request removed',
    without('        client_secret: { type: string, maxLength: 255, description: Ignored., examples: [""] }\n'),
    'createToken body/client_secret: field removed',
  ],
  ['a longer text demanded', edited(PASSWORD, PASSWORD.replace('8', '12')), 'register body/password: minLength 8 → 12'],
  ['a shorter text demanded', edited(PASSWORD, PASSWORD.replace('256', '128')), 'register body/password: maxLength 256 → 128'],
  ['a pattern demanded', edited(PASSWORD, `${PASSWORD}\n      pattern: "[0-9]"`), 'register body/password: pattern none → "[0-9]"'],
  [
    'another pattern',
    edited('pattern: "^[A-Za-z0-9._-]+$"\n      examples: [ada]', 'pattern: "^[a-z]+$"'),
    'register body/username: pattern "^[A-Za-z0-9._-]+$" → "^[a-z]+$"',
  ],
  [
    'a format demanded',
    edited('username: { type: string, minLength: 1', 'username: { type: string, format: email, minLength: 1'),
    'login body/username: format none → "email"',
  ],
  ['another format', edited('format: date-or-date-time', 'format: date'), 'createListTask body/dueDate: format "date-or-date-time" → "date"'],
  [
    'one value alone',
    edited('grant_type: { $ref: "#/components/schemas/GrantType" }', 'grant_type: { type: string, const: password }'),
    'createToken body/grant_type: no longer refresh_token',
  ],
  [
    'a constant where anything went',
    edited('client_id: { type: string', 'client_id: { type: string, const: docket'),
    'createToken body/client_id: only docket',
  ],
  [
    'null no longer accepted',
    edited('    TaskTimeZone:\n      type: [string, "null"]', '    TaskTimeZone:\n      type: string'),
    'createListTask body/timeZone: no longer null',
  ],
  ['spaces no longer trimmed', edited('maxLength: 254, x-trim: true', 'maxLength: 254'), 'login body/username: x-trim true → none'],
  ['fewer fields alone', edited('      minProperties: 1\n', '      minProperties: 2\n'), 'updateMe body: minProperties 1 → 2'],
  [
    'no unknown fields',
    edited(OPEN, '      additionalProperties: false'),
    'createToken body: additionalProperties {"type":"string","maxLength":4096} → false',
  ],
  ['shorter unknown fields', edited(OPEN, OPEN.replace('4096', '64')), 'createToken body/(any other): maxLength 4096 → 64'],
  [
    'a name for what was free',
    edited('        client_id:', '        device: { type: string, maxLength: 64 }\n        client_id:'),
    'createToken body/device: maxLength 4096 → 64',
  ],
  [
    'a kind of value refused',
    listIdIs('{ anyOf: [{ type: string, format: date }, { type: "null" }] }'),
    'createTask body/listId: no longer string date-time',
    listIdIs(EITHER),
  ],

  ['a success removed', cut('        "204":\n', '        "400"'), 'logout 204: response removed'],
  [
    'another success',
    edited('"201":\n          description: The new list.', '"202":\n          description: The new list.'),
    'createList 201: response removed',
  ],
  [
    'a success added',
    edited(
      '        "201":\n          description: The new list.',
      '        "202": { description: Later. }\n        "201":\n          description: The new list.',
    ),
    'createList 202: new response',
  ],
  ['an answer of another media type', edited(LIST_PAGE, LIST_PAGE.replace('json', 'hal+json')), 'listLists 200 body: application/json removed'],
  ['an answer without a body', without(`          content:\n${LIST_PAGE}`), 'listLists 200 body: application/json removed'],
  ['a header removed', without(LOCATION), 'register 201 header location: header removed'],
  ['a header that may be missing', edited('`If-Match`.\n      required: true\n', '`If-Match`.\n'), 'createList 201 header etag: required → optional'],
  ['another constant', edited('const: "private, no-cache"', 'const: private'), 'getMe 200 header cache-control: also private'],
  ['a header of another form', edited('pattern: "^/api/v1/"', 'pattern: "^https:"'), 'register 201 header location: pattern "^/api/v1/" → "^https:"'],
  [
    'a field removed',
    edited('inbox, openTasks, ', 'inbox, ', cut('        openTasks: { $ref: "#/components/schemas/Count", desc', '        completedTasks: { $ref')),
    'listLists 200 body/items/[]/openTasks: field removed',
  ],
  [
    'a field that may be missing',
    edited('email, emailVerified, username', 'email, username'),
    'register 201 body/user/emailVerified: required → optional',
  ],
  [
    'null where there was none',
    edited('    Instant:\n      type: string', '    Instant:\n      type: [string, "null"]'),
    'register 201 body/user/createdAt: also null',
  ],
  [
    'another type',
    edited('completed: { type: boolean }\n        completedAt', 'completed: { type: string }\n        completedAt'),
    'listListTasks 200 body/items/[]/completed: boolean → string',
  ],
  [
    'fractions',
    edited('uptimeSeconds: { type: integer', 'uptimeSeconds: { type: number'),
    'getReadiness 200 body/uptimeSeconds: type integer → number',
  ],
  [
    'a value that is new',
    edited('enum: [healthy, unhealthy]', 'enum: [healthy, unhealthy, degraded]'),
    'getReadiness 200 body/status: also degraded',
  ],
  ['any value', livenessIs('{ type: string }'), 'getLiveness 200 body/status: no longer only ok'],
  ['a larger number', edited('maximum: 86400', 'maximum: 604800'), 'register 201 body/expiresIn: maximum 86400 → 604800'],
  ['a smaller number', edited('type: integer\n      minimum: 0\n', 'type: integer\n'), 'listLists 200 body/items/[]/openTasks: minimum 0 → none'],
  [
    'an empty text',
    edited('    Title:\n      type: string\n      minLength: 1', '    Title:\n      type: string'),
    'listLists 200 body/items/[]/title: minLength 1 → none',
  ],
  ['the same item twice', without('      uniqueItems: true\n'), 'listListTasks 200 body/items/[]/categories: uniqueItems true → none'],
  [
    'no format',
    edited('    Instant:\n      type: string\n      format: date-time\n', '    Instant:\n      type: string\n'),
    'register 201 body/user/createdAt: format "date-time" → none',
  ],
  [
    'unknown fields',
    edited('    User:\n      type: object\n      additionalProperties: false', '    User:\n      type: object'),
    'register 201 body/user: additionalProperties false → true',
  ],
  [
    'a kind of value that is new',
    livenessIs('{ anyOf: [{ type: string, enum: [ok] }, { type: integer }] }'),
    'getLiveness 200 body/status: also integer',
  ],
  ['a variant that is new', livenessIs(ONE_OF_TWO), 'getLiveness 200 body/status: also Task', livenessIs(ONE_OF_ONE)],
  ['any items', livenessIs('{ type: array }'), 'getLiveness 200 body/status: any items', livenessIs('{ type: array, items: { type: string } }')],
  [
    'a problem with a field less',
    edited(
      'title: { type: string, maxLength: 128 }\n        status',
      'status',
      edited('required: [type, title, status, detail, code, requestId]', 'required: [type, status, detail, code, requestId]'),
    ),
    'register 400 body/title: field removed',
  ],
  ['null in a problem', edited('title: { type: string, maxLength: 128 }', 'title: { type: [string, "null"] }'), 'register 400 body/title: also null'],
  ['a redirection', edited(FORBIDDEN, `        "303": { description: Elsewhere. }\n${FORBIDDEN}`), 'listUsers 303: new response'],
  [
    'another operation at the same path',
    edited(`    get:\n${idOf('listCategories')}`, `    put:\n${idOf('putCategories')}`),
    'listCategories: operation removed (GET /categories)',
  ],
  [
    'a keyword less beside a reference',
    livenessIs('{ $ref: "#/components/schemas/Scope" }'),
    'getLiveness 200 body/status: pattern "a" → none',
    livenessIs('{ $ref: "#/components/schemas/Scope", anyOf: [{ pattern: a }] }'),
  ],
  [
    'kinds of values made shorter, in another order',
    listIdIs(EITHER_WAY.replace('date-time', 'date-time, maxLength: 64').replace('date }', 'date, maxLength: 10 }')),
    'createTask body/listId: maxLength none → 10',
    listIdIs(EITHER),
  ],
  ['another two types', listIdIs('{ type: [number, string] }'), 'createTask body/listId: boolean → string', listIdIs('{ type: [boolean, integer] }')],
]

const COMPATIBLE: readonly Planted[] = [
  ['a webhook', SENT, 'webhook changed: new'],
  [
    'a field of what is sent',
    SENT.replace('id: { type: string },', 'id: { type: string }, at: { type: string },'),
    'webhook changed/at: new field',
    SENT,
  ],
  ['an operation', edited('  /categories:\n', `${NEW_OPERATION}  /categories:\n`), 'listTags: new operation'],
  ['an optional parameter', sinceParameter(''), 'listCategories query since: new parameter'],
  [
    'an optional body',
    edited(
      idOf('logout'),
      `${idOf('logout')}      requestBody: { content: { application/json: { schema: { $ref: "#/components/schemas/Credentials" } } } }\n`,
    ),
    'logout body: new body',
  ],
  [
    'an optional field of a request',
    edited(`${NEW_LIST}\n      properties:\n`, `${NEW_LIST}\n      properties:\n        colour: { type: string }\n`),
    'createList body/colour: new field',
  ],
  [
    'a field of an answer',
    edited(
      '        disabled: { type: boolean, d',
      '        lastSeenAt: { $ref: "#/components/schemas/Instant" }\n        disabled: { type: boolean, d',
    ),
    'listUsers 200 body/items/[]/lastSeenAt: new field',
  ],
  [
    'a field of an answer that is always there',
    edited(
      'role, timeZone, disabled',
      'role, timeZone, lastSeenAt, disabled',
      edited(
        '        disabled: { type: boolean, d',
        '        lastSeenAt: { $ref: "#/components/schemas/Instant" }\n        disabled: { type: boolean, d',
      ),
    ),
    'listUsers 200 body/items/[]/lastSeenAt: new required field',
  ],
  ['a header', edited(LOCATION, `${LOCATION}            Link: { $ref: "#/components/headers/Link" }\n`), 'register 201 header link: new header'],
  [
    'another media type beside the first',
    edited(LIST_PAGE, `${LIST_PAGE}            text/csv:\n              schema: { type: string }\n`),
    'listLists 200 body: text/csv new',
  ],
  ['an error', edited(FORBIDDEN, `${FORBIDDEN}        "404": { $ref: "#/components/responses/NotFound" }\n`), 'listUsers 404: new response'],
  ['an error less', without(FORBIDDEN), 'listUsers 403: response removed'],
  [
    'a code of a problem',
    edited('        - UNAVAILABLE\n', '        - UNAVAILABLE\n        - OUT_OF_TEA\n'),
    'register 400 body/code: also OUT_OF_TEA',
  ],
  ['an operation made public', edited(`\n        ${FIRST_SECURITY}`, ' []'), 'getMe: oauth2 or bearerAuth → public'],
  ['a scope no longer demanded', edited(FIRST_SECURITY, '- oauth2: []\n        - bearerAuth: []'), 'getMe: scope account:read no longer demanded'],
  [
    'a scope offered',
    edited('            "tasks:read": Read', '            "webhooks:read": Read webhooks\n            "tasks:read": Read'),
    'security scheme oauth2: flows/password/scopes/webhooks:read new',
  ],
  [
    'a scheme',
    edited('    bearerAuth:\n      type', '    apiKey: { type: apiKey, in: header, name: X-Api-Key }\n    bearerAuth:\n      type'),
    'security scheme apiKey: new',
  ],
  ['a longer password', edited(PASSWORD, PASSWORD.replace('256', '512')), 'register body/password: maxLength 256 → 512'],
  [
    'a longer title, sent and received',
    edited(
      '    Title:\n      type: string\n      minLength: 1\n      maxLength: 255',
      '    Title:\n      type: string\n      minLength: 1\n      maxLength: 500',
    ),
    'listLists 200 body/items/[]/title: maxLength 255 → 500',
  ],
  ['a larger page', edited(LIMIT, LIMIT.replace('100', '200')), 'listLists query limit: maximum 100 → 200'],
  ['an order', edited('title, -title]', 'title, -title, completedAt]'), 'listListTasks query sort: also completedAt'],
  [
    'a field that may be left out',
    edited('required: [email, username, password]', 'required: [email, password]'),
    'register body/username: required → optional',
  ],
  [
    'a field that is there now',
    edited(CHECK_FIELDS, CHECK_FIELDS.replace('[status]', '[status, detail]')),
    'getReadiness 200 body/checks/database/detail: optional → required',
  ],
  [
    'null where a request had none',
    listIdIs('{ anyOf: [{ $ref: "#/components/schemas/Id" }, { type: "null" }] }'),
    'createTask body/listId: schema Id → inline',
  ],
  [
    'no null where an answer had one',
    edited('    NextCursor:\n      type: [string, "null"]', '    NextCursor:\n      type: string'),
    'listLists 200 body/nextCursor: no longer null',
  ],
  [
    'a value that is no longer received',
    edited('enum: [healthy, unhealthy]', 'enum: [healthy]'),
    'getReadiness 200 body/status: no longer unhealthy',
  ],
  [
    'a component renamed',
    text.replaceAll('schemas/TaskPage"', 'schemas/PageOfTasks"').replace('    TaskPage:\n', '    PageOfTasks:\n'),
    'listListTasks 200 body: schema TaskPage → PageOfTasks',
  ],
  ['names for generated code', edited('        - CREATED_AT\n', '        - CREATED\n'), 'listListTasks query sort: x-enum-varnames'],
  ['an end announced in time', deprecated('2026-01-01', '2026-07-01'), 'deleteTask: end announced for no day → Wed, 01 Jul 2026 00:00:00 GMT'],
  [
    'an operation removed after the day that was announced',
    cut('    delete:\n      operationId: deleteTask', '  /categories:\n'),
    'deleteTask: operation removed (DELETE /tasks/{taskId}) after Wed, 01 Jul 2026 00:00:00 GMT',
    deprecated('2026-01-01', '2026-07-01'),
  ],
  [
    'an answer to those who ask whether it has changed',
    edited(FORBIDDEN, `        "304": { $ref: "#/components/responses/NotModified" }\n${FORBIDDEN}`),
    'listUsers 304: new response',
  ],
  ['no such answer any more', without('        "304": { $ref: "#/components/responses/NotModified" }\n'), 'getList 304: response removed'],
  ['a scheme accepted', text, 'getMe: security scheme bearerAuth new', without('        - bearerAuth: ["account:read"]\n')],
]

const SILENT: readonly (readonly [change: string, document: string, released?: string])[] = [
  ['no change', text],
  ['another summary', edited('summary: Get a task\n', 'summary: Get one task\n')],
  ['another description', edited('description: A page of lists.', 'description: Some lists.')],
  ['another example', edited('examples: [ada]', 'examples: [grace]')],
  ['another description of a scope', edited('"tasks:read": Read lists', '"tasks:read": See lists')],
  ['another order of the security schemes', edited(FIRST_SECURITY, '- bearerAuth: ["account:read"]\n        - oauth2: ["account:read"]')],
  ['another order of the required fields', edited('required: [status, service, version', 'required: [service, status, version')],
  ['another order of the values', edited('enum: [healthy, unhealthy]', 'enum: [unhealthy, healthy]')],
  ['another order of the branches', livenessIs(EITHER_WAY), livenessIs(EITHER)],
  ['two types instead of two branches', livenessIs('{ type: [string, "null"] }'), livenessIs('{ anyOf: [{ type: string }, { type: "null" }] }')],
  ['a constant instead of one value', livenessIs('{ type: string, const: ok }')],
  ['another description of a scheme', edited('description: Paste the', 'description: Give the')],
  [
    'a keyword said twice',
    edited('items: { $ref: "#/components/schemas/CategoryName" }', 'items: { $ref: "#/components/schemas/CategoryName", x-trim: true }'),
  ],
  [
    'another order of branches of one type',
    livenessIs('{ anyOf: [{ type: string, pattern: b }, { type: string, pattern: a }] }'),
    livenessIs('{ anyOf: [{ type: string, pattern: a }, { type: string, pattern: b }] }'),
  ],
  ['a parameter in other letters', edited('name: If-Match', 'name: IF-MATCH')],
  ['a header in other letters', edited(LOCATION, LOCATION.replace('Location:', 'LOCATION:'))],
]

const lines = (released: string, now: string, wanted: boolean, today = new Date('2026-11-21')) =>
  compareSpecs(parseSpec(released), parseSpec(now), today)
    .filter(({ breaks }) => (breaks !== undefined) === wanted)
    .map(({ place, what }) => `${place}: ${what}`)

t.test('a change breaks clients:', async (t) => {
  for (const [change, document, line, released = text] of BREAKING) {
    t.test(change, async (t) => t.equal(lines(released, document, true)[0], line))
  }

  t.test('an operation that has gone, with its place taken by another', async (t) => {
    const moved = edited(idOf('deleteTask'), idOf('deleteList'), cut(`    delete:\n${idOf('deleteList')}`, '  /lists/{listId}/tasks:\n'))
    const found = lines(text, moved, true)
    for (const line of ['deleteList: path /lists/{listId} → /tasks/{taskId}', 'deleteTask: operation removed (DELETE /tasks/{taskId})'])
      t.ok(found.includes(line), line)
  })

  t.test('an operation removed before the day that was announced', async (t) => {
    const removed = cut('    delete:\n      operationId: deleteTask', '  /categories:\n')
    t.same(lines(deprecated('2026-01-01', '2026-07-01'), removed, true, new Date('2026-06-30')), [
      'deleteTask: operation removed (DELETE /tasks/{taskId})',
    ])
  })
})

t.test('a change is compatible:', async (t) => {
  for (const [change, document, line, released = text] of COMPATIBLE) {
    t.test(change, async (t) => {
      t.same(lines(released, document, true), [])
      t.ok(lines(released, document, false)[0]?.startsWith(line), lines(released, document, false)[0] ?? 'nothing')
    })
  }
})

t.test('nobody notices', async (t) => {
  for (const [change, document, released = text] of SILENT)
    t.test(change, async (t) => t.same(compareSpecs(parseSpec(released), parseSpec(document)), []))
})

t.test('what a component says is judged for those who send it and for those who receive it', async (t) => {
  const shorter = edited(
    '    Title:\n      type: string\n      minLength: 1\n      maxLength: 255',
    '    Title:\n      type: string\n      minLength: 1\n      maxLength: 200',
  )
  const places = compareSpecs(parseSpec(text), parseSpec(shorter))
  t.ok(places.length > 10)
  for (const { place, breaks } of places) t.equal(breaks !== undefined, / body\/title$/.test(place) && !/ 20\d /.test(place), place)
})

t.test('schemas that hold themselves come to an end', async (t) => {
  const node = (length: number) =>
    livenessIs('{ $ref: "#/components/schemas/Node" }').replace(
      '    Liveness:\n',
      () =>
        `    Node: { type: object, additionalProperties: false, properties: { name: { type: string, minLength: ${length} }, children: { type: array, items: { $ref: "#/components/schemas/Node" } } } }\n    Liveness:\n`,
    )
  t.same(lines(node(1), node(1), true), [])
  t.same(lines(node(2), node(1), true), [
    'getLiveness 200 body/status/name: minLength 2 → 1',
    'getLiveness 200 body/status/children/[]/name: minLength 2 → 1',
  ])
})

t.test('what is not compared is refused', async (t) => {
  for (const [what, document, message] of [
    [
      'a keyword',
      livenessIs('{ type: integer, multipleOf: 2 }'),
      /^#\/components\/schemas\/Liveness\/properties\/status has multipleOf, which spec:diff does not compare/,
    ],
    [
      'a keyword of a parameter',
      edited(LIMIT, LIMIT.replace('default', 'exclusiveMaximum')),
      /^#\/components\/parameters\/Limit\/schema has exclusiveMaximum/,
    ],
    [
      'a setting of a parameter',
      edited('      name: sort\n', '      name: sort\n      style: form\n'),
      /^#\/components\/parameters\/TaskSort has style/,
    ],
    [
      'a setting of an operation',
      edited(idOf('getTask'), `${idOf('getTask')}      x-internal: true\n`),
      /^#\/paths\/\/tasks\/\{taskId\}\/get has x-internal/,
    ],
    ['a setting of an answer', edited('        "204":\n', '        "204":\n          links: {}\n'), /\/responses\/204 has links/],
    ['a setting of the server', edited('- url: /api/v1\n', '- url: /api/v1\n    variables: {}\n'), /^#\/servers\/0 has variables/],
    ['another part of the document', `${text}jsonSchemaDialect: x\n`, /^# has jsonSchemaDialect/],
    ['a schema without a type', livenessIs('{ minLength: 1 }'), /^A schema without a type cannot be compared: {"minLength":1}/],
    [
      'a keyword twice',
      livenessIs('{ $ref: "#/components/schemas/Title", maxLength: 9 }'),
      /^A schema with maxLength both beside and behind its \$ref/,
    ],
  ] as const) {
    t.throws(() => compareSpecs(parseSpec(text), parseSpec(document)), { message }, `${what} that is new`)
    t.throws(() => compareSpecs(parseSpec(document), parseSpec(text)), { message }, `${what} that has been released`)
  }
})
