import type { operations as Contract } from '../../generated/api.ts'
import type { operations } from '../../generated/operations.ts'

/** Every operation of openapi.yaml, by its operationId. */
export type OperationId = keyof typeof operations

type Table = typeof operations
type OperationOfTag<Tag> = {
  [Id in OperationId]: Table[Id]['tag'] extends Tag ? Id : never
}[OperationId]

/** Who sends a request, as their session or API token and their row in users are now. */
export type Principal = Readonly<{
  id: string
  role: 'user' | 'admin'
  scopes: ReadonlySet<string>
  /** Those that the token was given besides, and that wait until the address of the user is verified. */
  withheldScopes: ReadonlySet<string>
  /** Exactly one of the two is there. */
  sessionId: string | undefined
  apiTokenId: string | undefined
}>

/** Somebody who has logged in, in an operation that API tokens are not for. */
export type SessionPrincipal = Principal & Readonly<{ sessionId: string }>

/** Where a request comes from. */
export type Client = Readonly<{
  address: string
  userAgent: string | undefined
  requestId: string
  operation: OperationId
}>

type PartOf<Id extends OperationId, Part extends string> = Contract[Id] extends { parameters: { [key in Part]?: infer Values } }
  ? NonNullable<Values>
  : Record<never, never>

type QueryOf<Id extends OperationId> = PartOf<Id, 'query'> &
  Required<Pick<PartOf<Id, 'query'>, Extract<Table[Id]['defaults'][number], keyof PartOf<Id, 'query'>>>>

export type BodyOf<Id extends OperationId> = Contract[Id] extends {
  requestBody: { content: infer Content }
}
  ? Content[keyof Content]
  : undefined

/** What a handler is given: each part as the document describes it, already validated. */
export type RequestOf<Id extends OperationId> = Readonly<{
  params: PartOf<Id, 'path'>
  query: QueryOf<Id>
  body: BodyOf<Id>
  /** The strong entity tags of `If-Match`; undefined where the header is absent or `*`. */
  ifMatch: readonly string[] | undefined
  lastEventId: string | undefined
  client: Client
}> &
  (Table[Id]['public'] extends true ? unknown : Readonly<{ user: 'apiToken' extends Table[Id]['schemes'][number] ? Principal : SessionPrincipal }>)

/** One of the Server-Sent Events of an answer (HTML §9.2). One without data only tells the client where to resume. */
export type StreamedEvent<Data = unknown> = Readonly<{ id: string; event?: string; data?: Data }>

/** An answer of events without an end of its own: return() is called when its reader has gone or the server stops. */
export type EventStream<Data = unknown> = Required<Pick<AsyncIterator<StreamedEvent<Data>, undefined>, 'next' | 'return'>>

/** Sent by the server itself, from the document or from the answer. */
type ServerHeader = 'X-Request-Id' | 'Cache-Control' | 'Link' | 'Retry-After' | 'WWW-Authenticate'

type ContentOf<Response> = Response extends {
  content: { 'application/json': infer Json }
}
  ? Json
  : Response extends { content: { 'text/event-stream': infer Data } }
    ? EventStream<Data>
    : undefined
type HeadersOf<Response> = Response extends { headers: infer Headers }
  ? {
      [Name in keyof Headers as string extends Name ? never : Name extends ServerHeader ? never : Name]: Headers[Name]
    }
  : Record<never, never>

/** The statuses that a handler may answer: problems are thrown, and 304 follows from the ETag. */
type StatusOf<Id extends OperationId> = {
  [Status in keyof Contract[Id]['responses'] & number]: Status extends 304
    ? never
    : Contract[Id]['responses'][Status] extends {
          content: { 'application/problem+json': unknown }
        }
      ? never
      : Status
}[keyof Contract[Id]['responses'] & number]

type HeaderArguments<Headers> = keyof Headers extends never ? [] : [init: { headers: Headers }]
type AnswerArguments<Response> = [ContentOf<Response>, keyof HeadersOf<Response>] extends [undefined, never]
  ? []
  : [body: ContentOf<Response>, ...HeaderArguments<HeadersOf<Response>>]

declare const answerOf: unique symbol

/** Made by `respond` alone. */
export type Answer<Id extends OperationId = OperationId> = Readonly<{
  status: number
  body: unknown
  headers: Readonly<Record<string, string>> | undefined
  [answerOf]: Id
}>

/**
 * Makes an answer that the document describes: any other status, a missing or an extra property, a missing header do not compile.
 * A function call and not an object literal, because TypeScript overlooks extra properties in what a contextually typed function returns.
 */
export type Respond<Id extends OperationId> = <Status extends StatusOf<Id>>(
  status: Status,
  ...rest: AnswerArguments<Contract[Id]['responses'][Status]>
) => Answer<Id>

export type Handler<Id extends OperationId> = (request: RequestOf<Id>, respond: Respond<Id>) => Promise<Answer<Id>>

/** The handlers of a tag: all its operations, each by its operationId. */
export type HandlersOf<Tag extends Table[OperationId]['tag']> = {
  readonly [Id in OperationOfTag<Tag>]: Handler<Id>
}

/** The handlers of all operations. */
export type Handlers = { readonly [Id in OperationId]: Handler<Id> }

/** A kind of bearer token, which one or more security schemes of the document stand for. */
export type Authenticator = Readonly<{
  /** Whether a token is of this kind by its form. */
  recognises(token: string): boolean
  /** Finds out who sends a request; throws a Problem (401) for a token that is not good. */
  authenticate(token: string): Promise<Principal> | Principal
}>
