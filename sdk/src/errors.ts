import type { InvalidField, Problem, ProblemCode } from './generated/types.gen.js'

/** Docket, or a proxy before it, answered with an error. */
export class DocketError extends Error {
  override readonly name = 'DocketError'
  readonly status: number
  /** What went wrong, for programs; undefined when the answer is not one of Docket's. */
  readonly code: ProblemCode | undefined
  readonly title: string
  /** What happened this time, for people. */
  readonly detail: string
  /** The fields that were refused. */
  readonly errors: readonly InvalidField[]
  /** Finds the request in the server's log. */
  readonly requestId: string | undefined
  readonly headers: Headers
  /** The body as it came: the one of `createToken` holds the error codes of OAuth2 as well. */
  readonly body: unknown

  /** @internal */
  constructor({ status, statusText, headers }: Response, body: unknown) {
    const problem = isProblem(body) ? body : undefined
    const title = problem?.title ?? `${status} ${statusText}`.trimEnd()
    const detail = problem?.detail ?? 'The answer is not one of Docket. Does baseUrl lead to it?'
    const fields = problem?.errors?.map(({ in: part, path, message }) => `${part} ${path} ${message}`).join('; ')
    super(`${title}: ${detail}${fields === undefined ? '' : ` (${fields})`}`)
    this.status = status
    this.code = problem?.code
    this.title = title
    this.detail = detail
    this.errors = problem?.errors ?? []
    this.requestId = headers.get('x-request-id') ?? undefined
    this.headers = headers
    this.body = body
  }
}

/** There is no answer: the server could not be reached, the connection broke (`cause` says how), or `timeout` ran out. */
export class DocketConnectionError extends Error {
  override readonly name = 'DocketConnectionError'
}

const isProblem = (body: unknown): body is Problem => typeof body === 'object' && body !== null && 'code' in body && 'title' in body
