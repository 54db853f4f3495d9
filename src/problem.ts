/** The codes of api errors, with the status and title that each always has. `openapi.yaml` lists the same codes (ProblemCode). */
const PROBLEMS = {
  MALFORMED_REQUEST: [400, 'Malformed request'],
  UNAUTHENTICATED: [401, 'Unauthenticated'],
  INVALID_CREDENTIALS: [401, 'Invalid credentials'],
  TOKEN_EXPIRED: [401, 'Token expired'],
  FORBIDDEN: [403, 'Forbidden'],
  INSUFFICIENT_SCOPE: [403, 'Insufficient scope'],
  EMAIL_NOT_VERIFIED: [403, 'E-mail address not verified'],
  NOT_FOUND: [404, 'Not found'],
  METHOD_NOT_ALLOWED: [405, 'Method not allowed'],
  REQUEST_TIMEOUT: [408, 'Request timeout'],
  EMAIL_TAKEN: [409, 'E-mail address taken'],
  USERNAME_TAKEN: [409, 'Username taken'],
  CONFLICT: [409, 'Conflict'],
  IDEMPOTENCY_IN_PROGRESS: [409, 'Request in progress'],
  CURSOR_EXPIRED: [410, 'Cursor expired'],
  PRECONDITION_FAILED: [412, 'Precondition failed'],
  PAYLOAD_TOO_LARGE: [413, 'Payload too large'],
  URI_TOO_LONG: [414, 'URI too long'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'Unsupported media type'],
  VALIDATION_FAILED: [422, 'Validation failed'],
  IDEMPOTENCY_MISMATCH: [422, 'Idempotency key mismatch'],
  RATE_LIMITED: [429, 'Too many requests'],
  HEADERS_TOO_LARGE: [431, 'Headers too large'],
  INTERNAL_ERROR: [500, 'Internal error'],
  UNAVAILABLE: [503, 'Service unavailable'],
} as const

export type ProblemCode = keyof typeof PROBLEMS

export type InvalidField = {
  in: 'body' | 'query' | 'path' | 'header'
  path: string
  code: string
  message: string
}

type OAuth2Error = 'invalid_request' | 'invalid_grant' | 'invalid_scope' | 'unsupported_grant_type' | 'server_error' | 'temporarily_unavailable'

type Extras = Readonly<{
  headers?: Readonly<Record<string, string>>
  errors?: readonly InvalidField[]
  oauth2Error?: OAuth2Error
}>

/** A failure that the caller is told of (RFC 9457). Everything in it may be shown. */
export class Problem extends Error {
  readonly code: ProblemCode
  readonly status: number
  readonly title: string
  readonly headers: Readonly<Record<string, string>>
  readonly errors: readonly InvalidField[] | undefined
  readonly oauth2Error: OAuth2Error

  constructor(code: ProblemCode, detail: string, { headers = {}, errors, oauth2Error = 'invalid_request' }: Extras = {}) {
    super(detail)
    this.code = code
    this.status = PROBLEMS[code][0]
    this.title = PROBLEMS[code][1]
    this.headers = headers
    this.errors = errors
    this.oauth2Error = oauth2Error
  }

  get type(): string {
    return `urn:docket:problem:${this.code.toLowerCase().replaceAll('_', '-')}`
  }
}

const MOST_ERRORS = 20

export const malformed = (detail: string, extras?: Extras) => new Problem('MALFORMED_REQUEST', detail, extras)

/** @param what the resource as people call it: "task" */
export const notFound = (what: string) => new Problem('NOT_FOUND', `There is no such ${what}.`)

export const conflict = (detail: string) => new Problem('CONFLICT', detail)

export const preconditionFailed = (what: string) =>
  new Problem('PRECONDITION_FAILED', `The ${what} has changed since the version that If-Match names.`)

export const unavailable = (detail: string) =>
  new Problem('UNAVAILABLE', detail, {
    headers: { 'Retry-After': '1' },
    oauth2Error: 'temporarily_unavailable',
  })

/** @param seconds until the next try */
export const rateLimited = (what: string, seconds: number) =>
  new Problem('RATE_LIMITED', `${what} Try again in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.`, {
    headers: { 'Retry-After': String(seconds) },
    oauth2Error: 'temporarily_unavailable',
  })

/** RFC 6750 §3.1: no error code for a request without a token, `invalid_token` for one with a bad one. */
export const unauthenticated = (detail: string, code: 'UNAUTHENTICATED' | 'TOKEN_EXPIRED' = 'UNAUTHENTICATED', tokenSent = true) =>
  new Problem(code, detail, {
    headers: {
      'WWW-Authenticate': tokenSent ? 'Bearer realm="docket", error="invalid_token"' : 'Bearer realm="docket"',
    },
  })

export const invalidCredentials = () =>
  new Problem('INVALID_CREDENTIALS', 'The username or the password is wrong.', {
    headers: { 'WWW-Authenticate': 'Bearer realm="docket"' },
    oauth2Error: 'invalid_grant',
  })

export const emailNotVerified = (headers = {}) =>
  new Problem('EMAIL_NOT_VERIFIED', 'Your e-mail address is not verified: open the link that was mailed to it, or have it mailed again.', { headers })

const PARTS = {
  body: 'request body',
  query: 'query',
  path: 'path',
  header: 'header',
} as const

/** What breaks the schema: 422, or 400 where it is a header, or where the operation documents no 422. */
export function invalid(errors: readonly InvalidField[], code: 'VALIDATION_FAILED' | 'MALFORMED_REQUEST' = 'VALIDATION_FAILED'): Problem {
  const where = PARTS[errors[0]?.in ?? 'body']
  const count =
    errors.length > MOST_ERRORS
      ? `more than ${MOST_ERRORS} invalid fields`
      : errors.length === 1
        ? '1 invalid field'
        : `${errors.length} invalid fields`
  return new Problem(code, `The ${where} has ${count}.`, {
    errors: errors.slice(0, MOST_ERRORS).map((error) => ({ ...error, path: shortened(error.path) })),
  })
}

/** A reference token of a JSON Pointer (RFC 6901 §3). */
export const pointerTo = (name: string) => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`

/** As long as the document allows, and neither an escape nor a character is cut in two. */
const shortened = (path: string) => path.slice(0, 512).replace(/~$/, '').toWellFormed()

export const invalidField = (part: InvalidField['in'], path: string, code: string, message: string) => invalid([{ in: part, path, code, message }])

export const invalidCursor = () => invalidField('query', '/cursor', 'cursor', 'is not a cursor of this listing in this order')

export const cursorExpired = () =>
  new Problem('CURSOR_EXPIRED', 'What has been deleted since this cursor is no longer known: begin again without a cursor, and with an empty store.')
