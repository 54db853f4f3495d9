import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { databaseFault } from '../database/errors.ts'
import { invalidField, malformed, Problem, unavailable } from '../problem.ts'

/** Every failure leaves through here, as a problem document (RFC 9457). */
export function renderProblems(app: FastifyInstance, logger: Logger): void {
  app.setErrorHandler((thrown, request, reply) => {
    // Whatever is thrown is logged and answered, even what is no error.
    const error = thrown instanceof Error ? thrown : new Error(`Thrown, but no error: ${String(thrown)}`)
    return sendProblem(problemFrom(error as FastifyError, request, logger), request, reply)
  })
}

export function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const oauth2 = request.routeOptions?.config?.operation?.oauth2Errors === true
  return reply
    .code(problem.status)
    .headers({
      ...problem.headers,
      'Cache-Control': 'no-store',
      'Content-Type': 'application/problem+json; charset=utf-8',
    })
    .send(JSON.stringify(documentOf(problem, request.id, oauth2)))
}

/** @param oauth2 whether to add the members of RFC 6749 §5.2 */
export function documentOf(problem: Problem, requestId: string, oauth2 = false): Record<string, unknown> {
  const { type, title, status, message: detail, code, errors } = problem
  return {
    type,
    title,
    status,
    detail,
    code,
    requestId,
    ...(errors && { errors }),
    // RFC 6749 §5.2 allows neither quotes nor backslashes in the description.
    ...(oauth2 && {
      error: oauth2ErrorOf(problem),
      error_description: detail.replaceAll(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "'"),
    }),
  }
}

function oauth2ErrorOf({ oauth2Error, errors }: Problem): string {
  return errors?.some(({ path, code }) => path === '/grant_type' && code === 'enum') ? 'unsupported_grant_type' : oauth2Error
}

/** What Fastify itself refuses, by its code. */
const FASTIFY_PROBLEMS: Readonly<Record<string, () => Problem>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () =>
    new Problem('PAYLOAD_TOO_LARGE', 'The body is larger than 262144 bytes.', {
      headers: { Connection: 'close' },
    }),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () => new Problem('UNSUPPORTED_MEDIA_TYPE', 'The Content-Type of the body is not one that this operation takes.'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () => malformed('The Content-Length is not the length of the body.'),
  FST_ERR_BAD_URL: () => malformed('The percent-encoding of the path is not valid.'),
  FST_STATIC_FORBIDDEN_PATH: () => new Problem('NOT_FOUND', 'There is no such path.'),
  FST_ERR_MAX_PARAM_LENGTH: () => new Problem('URI_TOO_LONG', 'A segment of the path is too long.'),
}

export function problemFrom(error: FastifyError, request: FastifyRequest, logger: Logger): Problem {
  if (error instanceof Problem) return error
  const known = FASTIFY_PROBLEMS[error.code]
  if (known !== undefined) return known()
  // The client went away in the middle of its body; nobody reads this answer. The same code from the database's connection means something else.
  if (error === request.raw.errored) return malformed('The body ended early.')

  const fault = databaseFault(error)
  if (fault?.kind === 'unavailable') {
    logger.warn({ requestId: request.id, error: error.message }, 'the database is not available')
    return unavailable('The database is away or too busy. Try again in a moment.')
  }
  if (fault?.kind === 'invalidTimeZone') return invalidField('body', '/timeZone', 'format', 'is a time zone that the database does not know')
  // Whatever else the database refuses has slipped through validation, or is a defect.
  logger.error(
    {
      requestId: request.id,
      operation: request.routeOptions?.config?.operation?.id,
      err: error,
    },
    'a request failed',
  )
  if (fault?.kind === 'invalidInput') return malformed('The request holds a value that cannot be stored.')
  return new Problem('INTERNAL_ERROR', 'Something went wrong on our side. It has been logged.', { oauth2Error: 'server_error' })
}
