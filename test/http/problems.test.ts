import fc from 'fast-check'
import t from 'tap'
import { operations } from '../../generated/operations.ts'
import { documentOf } from '../../src/http/problems.ts'
import { invalid, invalidField, Problem, type ProblemCode, unauthenticated, unavailable } from '../../src/problem.ts'
import { OPERATIONS } from '../contract/walk.ts'
import { startApp } from '../support/app.ts'
import { checkAnswer, checkValue, spec } from '../support/contract-check.ts'

/** What clients rely on; a line here may be added, and none may change. */
const PROBLEMS: Readonly<Record<ProblemCode, readonly [status: number, title: string, type: string]>> = {
  MALFORMED_REQUEST: [400, 'Malformed request', 'urn:docket:problem:malformed-request'],
  UNAUTHENTICATED: [401, 'Unauthenticated', 'urn:docket:problem:unauthenticated'],
  INVALID_CREDENTIALS: [401, 'Invalid credentials', 'urn:docket:problem:invalid-credentials'],
  TOKEN_EXPIRED: [401, 'Token expired', 'urn:docket:problem:token-expired'],
  FORBIDDEN: [403, 'Forbidden', 'urn:docket:problem:forbidden'],
  INSUFFICIENT_SCOPE: [403, 'Insufficient scope', 'urn:docket:problem:insufficient-scope'],
  EMAIL_NOT_VERIFIED: [403, 'E-mail address not verified', 'urn:docket:problem:email-not-verified'],
  NOT_FOUND: [404, 'Not found', 'urn:docket:problem:not-found'],
  METHOD_NOT_ALLOWED: [405, 'Method not allowed', 'urn:docket:problem:method-not-allowed'],
  REQUEST_TIMEOUT: [408, 'Request timeout', 'urn:docket:problem:request-timeout'],
  EMAIL_TAKEN: [409, 'E-mail address taken', 'urn:docket:problem:email-taken'],
  USERNAME_TAKEN: [409, 'Username taken', 'urn:docket:problem:username-taken'],
  CONFLICT: [409, 'Conflict', 'urn:docket:problem:conflict'],
  CURSOR_EXPIRED: [410, 'Cursor expired', 'urn:docket:problem:cursor-expired'],
  PRECONDITION_FAILED: [412, 'Precondition failed', 'urn:docket:problem:precondition-failed'],
  PAYLOAD_TOO_LARGE: [413, 'Payload too large', 'urn:docket:problem:payload-too-large'],
  URI_TOO_LONG: [414, 'URI too long', 'urn:docket:problem:uri-too-long'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'Unsupported media type', 'urn:docket:problem:unsupported-media-type'],
  VALIDATION_FAILED: [422, 'Validation failed', 'urn:docket:problem:validation-failed'],
  RATE_LIMITED: [429, 'Too many requests', 'urn:docket:problem:rate-limited'],
  HEADERS_TOO_LARGE: [431, 'Headers too large', 'urn:docket:problem:headers-too-large'],
  INTERNAL_ERROR: [500, 'Internal error', 'urn:docket:problem:internal-error'],
  UNAVAILABLE: [503, 'Service unavailable', 'urn:docket:problem:unavailable'],
}
const CODES = Object.keys(PROBLEMS) as ProblemCode[]

const PLAIN = { $ref: '#/components/schemas/Problem' }
const OAUTH2 = { $ref: '#/components/schemas/OAuth2Problem' }

t.test('problems', async (t) => {
  t.test('the codes are those of the document', async (t) => {
    t.strictSame(spec.document.components.schemas['ProblemCode']?.['enum'], CODES)
  })

  for (const code of CODES) {
    t.test(`${code}: always has the same type, title and status`, async (t) => {
      const [status, title, type] = PROBLEMS[code]
      const problem = documentOf(new Problem(code, 'What happened.'), 'a-request-id')
      t.strictSame(problem, { type, title, status, detail: 'What happened.', code, requestId: 'a-request-id' })
      checkValue(PLAIN, problem)
      checkValue(OAUTH2, documentOf(new Problem(code, 'What happened.'), 'a-request-id', true))
    })
  }

  t.test('the members of RFC 6749 §5.2 say what the problem says, in the characters that it allows', async (t) => {
    const document = (problem: Problem) => documentOf(problem, 'a-request-id', true)
    t.match(document(new Problem('MALFORMED_REQUEST', 'No.')), { error: 'invalid_request', error_description: 'No.' })
    t.match(document(new Problem('INTERNAL_ERROR', 'No.', { oauth2Error: 'server_error' })), { error: 'server_error' })
    t.match(document(unavailable('No.')), { error: 'temporarily_unavailable' })
    const grant = { in: 'body', path: '/grant_type', code: 'enum', message: 'must be one of password, refresh_token' } as const
    t.match(document(invalid([grant], 'MALFORMED_REQUEST')), { error: 'unsupported_grant_type' })
    t.match(document(invalid([{ ...grant, code: 'required' }], 'MALFORMED_REQUEST')), { error: 'invalid_request' })
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(fc.string({ unit: 'binary', maxLength: 50 }), (detail) =>
          /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/.test(String(document(new Problem('CONFLICT', detail))['error_description'])),
        ),
      ),
    )
  })

  t.test('a list of fields is counted, and cut off after 20', async (t) => {
    const field = { in: 'query', path: '/limit', code: 'maximum', message: 'must be <= 100' } as const
    t.match(invalid([field]), { code: 'VALIDATION_FAILED', message: 'The query has 1 invalid field.', errors: [field] })
    t.match(invalid([field, field]), { message: 'The query has 2 invalid fields.' })
    t.match(invalid(Array(20).fill(field)), { message: 'The query has 20 invalid fields.' })
    const many = invalid(Array(21).fill(field), 'MALFORMED_REQUEST')
    t.match(many, { status: 400, message: 'The query has more than 20 invalid fields.' })
    t.equal(many.errors?.length, 20)
    for (const part of ['body', 'path', 'header'] as const) t.match(invalidField(part, '', 'x', 'y').message, part)
  })

  t.test('a 401 says how to authenticate: with no error code to nobody, with one to a bad token', async (t) => {
    t.strictSame(unauthenticated('No.', 'UNAUTHENTICATED', false).headers, { 'WWW-Authenticate': 'Bearer realm="docket"' })
    t.strictSame(unauthenticated('No.').headers, { 'WWW-Authenticate': 'Bearer realm="docket", error="invalid_token"' })
  })

  t.test('over HTTP', async (t) => {
    const { url } = await startApp(t)
    for (const id of OPERATIONS) {
      t.test(`${id}: ${id === 'createToken' ? 'its problems have' : 'no problem of it has'} the members of OAuth2`, async (t) => {
        const { method, path } = operations[id]
        const body = method === 'GET' || method === 'DELETE' ? {} : { body: 'x', headers: { 'Content-Type': 'text/plain' } }
        const response = await fetch(`${url}/api/v1${path.replaceAll(/[{}]/g, '')}?surprise=1`, { method, ...body })
        const text = await response.text()
        t.ok(response.status >= 400)
        checkAnswer(id, response.status, response.headers, text)
        t.equal('error' in JSON.parse(text), id === 'createToken')
        t.equal('error_description' in JSON.parse(text), id === 'createToken')
        t.equal(response.headers.get('cache-control'), 'no-store')
      })
    }
  })
})
