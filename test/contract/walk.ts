import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { operations } from '../../generated/operations.ts'
import { buildApp } from '../../src/app.ts'
import type { Context } from '../../src/context.ts'
import { resolve, type Schema } from '../../src/contract/spec.ts'
import type { Handlers, OperationId } from '../../src/contract/types.ts'
import { exchange } from '../http/raw.ts'
import { PASSWORD, type Person, type TestApp } from '../support/app.ts'
import { type Caller, type LooseRequest, send, textOf, urlOf } from '../support/client.ts'
import { checkAnswer, operationOf, spec } from '../support/contract-check.ts'

/** Every operation of the contract, in the order of the document. */
export const OPERATIONS = Object.keys(operations) as OperationId[]
export const SECURED = OPERATIONS.filter((id) => !operations[id].public)
export const SCOPED = OPERATIONS.filter((id) => operations[id].scopes.length > 0)
export const WITH_ID = OPERATIONS.filter((id) => operations[id].path.includes('{'))
export const isForAdmins = (id: OperationId) => (operations[id].scopes as readonly string[]).includes('admin')
/** After these the caller has another password, or no sessions or nothing at all. */
export const CONSUMING: readonly OperationId[] = ['changePassword', 'deleteMe', 'revokeOtherSessions']
export const WITH_BODY = OPERATIONS.filter((id) => operationOf(id).body !== undefined)
export const WITHOUT_BODY = OPERATIONS.filter((id) => operationOf(id).body === undefined)

/** Whether its answers have no end: what reads until the server closes the connection would read for ever. */
export const isEndless = (id: OperationId) => 'text/event-stream' in (operationOf(id).responses.get(200)?.content ?? {})

/** What breaks the schema of a request is a 422, save where the operation describes none. */
export const invalidStatusOf = (id: OperationId) => (operationOf(id).responses.has(422) ? 422 : 400)
export const isForm = (id: OperationId) => operationOf(id).body?.mediaType === 'application/x-www-form-urlencoded'

const { oauth2 } = spec.document.components.securitySchemes as { oauth2: { flows: { password: { scopes: Record<string, string> } } } }
export const SCOPES = Object.keys(oauth2.flows.password.scopes)

type ParametersIn<Path> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | ParametersIn<Rest> : never
/** A value for every parameter that a path has: a new one does not compile until createIds makes it. */
export type Ids = Record<ParametersIn<(typeof operations)[OperationId]['path']>, string>

/** Something of the caller's for each of these ids that a path can have: for all of them, unless fewer are needed. */
export function createIds(as: Caller): Promise<Ids>
export function createIds(as: Caller, names: readonly (keyof Ids)[] | undefined): Promise<Partial<Ids>>
export async function createIds(as: Caller, names?: readonly (keyof Ids)[]): Promise<Partial<Ids>> {
  const list = once(async () => (await as('createList', { body: { title: 'Groceries' }, expect: 201 })).body.id)
  const task = once(async () => {
    const milk = { title: 'Milk', dueDate: '2099-02-01' }
    return (await as('createListTask', { params: { listId: await list() }, body: milk, expect: 201 })).body.id
  })
  const webhook = once(async () => {
    const { body: webhooks } = await as('listWebhooks', { query: { limit: 1 }, expect: 200 })
    // Nobody can have more than twenty.
    const newWebhook = { url: 'https://example.com/hooks/docket', events: ['task.created' as const] }
    const { id } = webhooks.items[0] ?? (await as('createWebhook', { body: newWebhook, expect: 201 })).body
    await as('updateWebhook', { params: { webhookId: id }, body: { enabled: true }, expect: 200 })
    return id
  })
  const makers: Record<keyof Ids, () => Promise<string>> = {
    async userId() {
      const username = `user-${randomUUID().slice(0, 8)}`
      return (await as('register', { body: { username, email: `${username}@example.com`, password: PASSWORD }, expect: 201 })).body.user.id
    },
    async sessionId() {
      const { body: me } = await as('getMe', { expect: 200 })
      const { body: login } = await as('login', { body: { username: me.username, password: PASSWORD }, expect: 200 })
      return sessionIdOf(login.accessToken)
    },
    async tokenId() {
      const { body: tokens } = await as('listApiTokens', { query: { limit: 1 }, expect: 200 })
      // Nobody can have more than a hundred.
      const newToken = { name: 'Calendar', scopes: ['tasks:read' as const], currentPassword: PASSWORD }
      return (tokens.items[0] ?? (await as('createApiToken', { body: newToken, expect: 201 })).body).id
    },
    listId: list,
    taskId: task,
    async reminderId() {
      return (await as('createReminder', { params: { taskId: await task() }, body: { minutesBefore: 60 }, expect: 201 })).body.id
    },
    webhookId: webhook,
    async deliveryId() {
      return (await as('testWebhook', { params: { webhookId: await webhook() }, expect: 202 })).body.id
    },
  }
  const ids: Partial<Ids> = {}
  for (const name of names ?? (Object.keys(makers) as (keyof Ids)[])) ids[name] = await makers[name]()
  return ids
}

const once = <Value>(make: () => Promise<Value>) => {
  let made: Promise<Value> | undefined
  return () => (made ??= make())
}

/** An access token says which session it stands for. */
const sessionIdOf = (accessToken: string): string => JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString()).sid

export const idsOf = (ids: Ids, value: () => string) => Object.fromEntries(Object.keys(ids).map((name) => [name, value()])) as Ids
export const unknownIds = (ids: Ids) => idsOf(ids, randomUUID)

export type Answered = Readonly<{ status: number; headers: Headers; text: string; body: unknown }>

/** Sends what the contract's types may forbid, and checks the answer against the document. */
export async function call(url: string, id: OperationId, token: string | undefined, request: LooseRequest = {}): Promise<Answered> {
  const response = await send(url, id, token, request)
  return checked(id, response.status, response.headers, await textOf(response))
}

/** Sends a request line, headers and a body as they are. */
export async function callRaw(url: string, id: OperationId, ids: Ids, headers: Record<string, string>, body: string): Promise<Answered> {
  const { pathname } = new URL(urlOf(url, id, { params: ids }))
  const lines = Object.entries({ Host: 'localhost', Connection: 'close', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  const answer = await exchange(url, `${operations[id].method} ${pathname} HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
  return checked(id, answer.status, answer.headers, answer.body)
}

function checked(id: OperationId, status: number, headers: Headers, text: string): Answered {
  checkAnswer(id, status, headers, text)
  return { status, headers, text, body: text === '' ? undefined : JSON.parse(text) }
}

export const bearer = ({ accessToken }: { accessToken: string }) => ({ Authorization: `Bearer ${accessToken}` })

/** A token of somebody's that may do no more than this. */
export async function narrowed(as: TestApp['as'], { username }: Person, scopes: readonly string[]): Promise<string> {
  const body = { grant_type: 'password' as const, username, password: PASSWORD, scope: scopes.join(' ') }
  return (await as()('createToken', { body, expect: 200 })).body.access_token
}

type Example = { example?: unknown; examples?: Record<string, { value: unknown }>; schema: Schema }

/** The bodies that the document shows for an operation. */
export function exampleBodies(id: OperationId): unknown[] {
  const { path, method } = operations[id]
  const operation = spec.document.paths[path]?.[method.toLowerCase()] as { requestBody?: { content: Record<string, Example> } } | undefined
  return Object.values(operation?.requestBody?.content ?? {}).flatMap(({ example, examples, schema }) => {
    const shown = [example, ...Object.values(examples ?? {}).map(({ value }) => value)]
    return [...shown, resolve<Schema>(spec.document, schema)['example']].filter((value) => value !== undefined)
  })
}

/** A request that the operation accepts: the ids, and the first body that the document shows. */
export function acceptable(id: OperationId, params: Ids): LooseRequest {
  const [body] = exampleBodies(id)
  return { params, ...(body !== undefined && { body }) }
}

/** The same server once more, with other handlers; it ends with the test. */
export async function serve(t: Test, context: Context, decorate: (handlers: Handlers) => Handlers): Promise<string> {
  const app = await buildApp(context, decorate)
  t.teardown(async () => {
    app.server.closeAllConnections()
    await app.close()
  })
  return app.listen({ host: '127.0.0.1', port: 0 })
}

/** Handlers of which each does the same. */
export const everyHandler = (handlers: Handlers, handle: () => Promise<never>) =>
  Object.fromEntries(Object.keys(handlers).map((id) => [id, handle])) as unknown as Handlers
