import { deepStrictEqual } from 'node:assert/strict'
import type { operations as Contract } from '../../generated/client-api.ts'
import type { Answer, OperationId } from '../../src/contract/types.ts'
import { checkAnswer, operationOf } from './contract-check.ts'

type Json<Response> = Response extends { content: infer Content } ? Content[keyof Content] : undefined
type Responses<Id extends OperationId> = Contract[Id]['responses']
type StatusOf<Id extends OperationId> = keyof Responses<Id> & number

/** What came back, already checked against the contract. */
export type Reply<Id extends OperationId, Status extends StatusOf<Id> = StatusOf<Id>> = {
  [S in Status]: {
    status: S
    headers: Headers
    body: Json<Responses<Id>[S]>
    text: string
  }
}[Status]

type Part<Id extends OperationId, Name extends string, Key extends string> = Contract[Id] extends { parameters: { [name in Name]: infer Values } }
  ? { [key in Key]: Values }
  : Contract[Id] extends { parameters: { [name in Name]?: infer Values } }
    ? { [key in Key]?: Values }
    : unknown
type Body<Id extends OperationId> = Contract[Id] extends {
  requestBody: { content: infer Content }
}
  ? { body: Content[keyof Content] }
  : unknown

/** A request in the terms of the contract. `expect` is the status that the test is about: another one fails it. */
export type Request<Id extends OperationId, Status extends StatusOf<Id>> = Part<Id, 'path', 'params'> &
  Part<Id, 'query', 'query'> &
  Body<Id> & { headers?: Record<string, string>; expect?: Status }

/** Calls operations by name. */
export type Caller = <Id extends OperationId, Status extends StatusOf<Id> = StatusOf<Id>>(
  id: Id,
  ...request: Record<never, never> extends Request<Id, Status> ? [Request<Id, Status>?] : [Request<Id, Status>]
) => Promise<Reply<Id, Status>>

/** What a test may send that the contract's types forbid. */
export type LooseRequest = {
  params?: unknown
  query?: unknown
  body?: unknown
  raw?: string | Buffer
  headers?: Record<string, string>
}

/** @param answers what handlers answered, by request id */
export function callerOf(baseUrl: string, token: string | undefined, answers: ReadonlyMap<string, Answer>): Caller {
  const call = async (id: OperationId, request: LooseRequest & { expect?: number } = {}) => {
    const response = await send(baseUrl, id, token, request)
    const text = await textOf(response)
    checkAnswer(id, response.status, response.headers, text)
    checkUnchanged(answers.get(response.headers.get('x-request-id') ?? ''), response.status, text)
    if (request.expect !== undefined && response.status !== request.expect) {
      throw new Error(`${id} answered ${response.status} instead of ${request.expect}: ${text.slice(0, 1000)}`)
    }
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? undefined : JSON.parse(text),
      text,
    }
  }
  return call as unknown as Caller
}

/** Sends a request of an operation without looking at the answer. */
export function send(baseUrl: string, id: OperationId, token: string | undefined, request: LooseRequest): Promise<Response> {
  const { method, body: bodySpec } = operationOf(id)
  const body =
    request.raw ??
    (request.body === undefined
      ? undefined
      : bodySpec?.mediaType === 'application/x-www-form-urlencoded'
        ? new URLSearchParams(request.body as Record<string, string>).toString()
        : JSON.stringify(request.body))
  const headers = {
    ...(body !== undefined && {
      'Content-Type': bodySpec?.mediaType ?? 'application/json',
    }),
    ...(token !== undefined && { Authorization: `Bearer ${token}` }),
    ...request.headers,
  }
  return fetch(urlOf(baseUrl, id, request), {
    method,
    headers,
    ...(body !== undefined && { body: body as string }),
    redirect: 'manual',
  })
}

/** The body. A stream of events has no end, so it is left after its first frame; it counts as empty. */
export async function textOf(response: Response): Promise<string> {
  if (response.headers.get('content-type')?.startsWith('text/event-stream') !== true) return response.text()
  for await (const _chunk of response.body ?? []) break
  return ''
}

export function urlOf(baseUrl: string, id: OperationId, { params = {}, query = {} }: LooseRequest): string {
  const path = operationOf(id).path.replaceAll(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String((params as Record<string, unknown>)[name])))
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query as Record<string, unknown>)) for (const item of [value].flat()) search.append(name, String(item))
  return `${baseUrl}/api/v1${path}${search.size > 0 ? `?${search}` : ''}`
}

/** Serialisation drops what the contract does not name and turns a null into an empty text where it may not be null: neither may happen. */
function checkUnchanged(answer: Answer | undefined, status: number, text: string): void {
  if (answer === undefined || answer.status !== status || text === '') return
  deepStrictEqual(JSON.parse(text), answer.body === undefined ? undefined : JSON.parse(JSON.stringify(answer.body)))
}
