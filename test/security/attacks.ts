import type { Test } from 'tap'
import { exchange, type RawAnswer } from '../http/raw.ts'
import { checkAnswer, checkProblem, spec } from '../support/contract-check.ts'

/**
 * One row of the catalogue: what is tried, byte by byte, and what it is answered, as verdictOf writes it. What must hold beyond that may be checked
 * with `also`.
 */
export type Also = ((t: Test, answer: RawAnswer) => void) | undefined
export type Attack = readonly [what: string, bytes: string | Buffer, verdict: string, also?: Also]

/** What every answer has, whatever was asked. */
const ALWAYS = {
  'x-content-type-options': 'nosniff',
  // That of the pages under /docs has more in between.
  'content-security-policy': /^default-src 'none'; (.+; )?frame-ancestors 'none'$/,
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'x-request-id': /^[A-Za-z0-9._-]{8,128}$/,
}

const NEVER = ['server', 'x-powered-by', 'set-cookie', 'access-control-allow-credentials', 'via']

/** What gives the inside of a server away: stack traces, paths, statements, the names and words of libraries and databases. */
const INSIDE =
  /\bat \S+ \(|\.[cm]?[jt]s:\d|node_modules|node:internal|\/(root|home|tmp|usr|work)\/|\b(select|insert into|update|delete from)\b.*\b(from|values|set|where)\b|SQLSTATE|PG::|pglite|postgres|kysely|fastify|FST_|FAST_JWT|HPE_|\bajv\b|argon2|ECONN|EPIPE|undefined|\[object|TypeError|SyntaxError|Unexpected token/i

/** Sent back before a request has reached its operation, whose answers the document describes. */
const BEFORE_OPERATIONS = new Set([404, 405, 408, 414, 431])

/** Sends each row over a connection of its own, and looks at the whole answer. */
export function expectVerdicts(t: Test, url: string, attacks: readonly Attack[]): void {
  for (const [what, bytes, verdict, also] of attacks) {
    t.test(`${verdict}: ${what}`, async (t) => {
      const answer = await exchange(url, bytes)
      t.equal(verdictOf(answer), verdict, answer.body.slice(0, 1000))
      t.match(Object.fromEntries(answer.headers), ALWAYS)
      for (const name of NEVER) t.equal(answer.headers.get(name), null, name)
      checkDocumented(bytes.toString('latin1'), answer)
      if (answer.status >= 400) {
        t.notMatch(answer.body, INSIDE)
        t.equal(answer.headers.get('cache-control'), 'no-store')
      }
      also?.(t, answer)
    })
  }
}

/** A request that is well framed, as text or with a body in bytes: what is wrong with it is something else. */
export function requestOf(line: string, headers: readonly string[] = [], body?: string | Buffer): Buffer {
  const has = (name: string) => headers.some((header) => header.toLowerCase().startsWith(`${name}:`))
  const lines = [
    `${line} HTTP/1.1`,
    ...(has('host') ? [] : ['Host: localhost']),
    'Connection: close',
    ...headers,
    ...(body === undefined || has('content-type') ? [] : ['Content-Type: application/json']),
    ...(body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]),
  ]
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), Buffer.from(body ?? '')])
}

/**
 * A success as its status: `201`. A refusal with its code: `404 NOT_FOUND`, at the token endpoint with that of OAuth2: `400 invalid_grant`. One that
 * names fields with the first of them and the rule that it breaks: `422 body/title maxLength`.
 */
export function verdictOf({ status, headers, body }: Pick<RawAnswer, 'status' | 'headers' | 'body'>): string {
  if (status < 400 || !headers.get('content-type')?.startsWith('application/problem+json') || body === '') return String(status)
  const { code, error, errors } = JSON.parse(body)
  const [field] = errors ?? []
  return `${status} ${error ?? (field === undefined ? code : `${field.in}${field.path} ${field.code}`)}`
}

/** Fails if anything that was asked has been a defect, or a surprise to the database. */
export function expectNoDefects(t: Test, logged: readonly Record<string, unknown>[]): void {
  t.test('none of this was a defect', async (t) => {
    t.same(
      logged.filter(({ level, requestId }) => Number(level) >= 40 && requestId !== undefined),
      [],
    )
  })
}

const PATHS = spec.operations.map(({ id, method, path }) => ({
  id: id as Parameters<typeof checkAnswer>[0],
  method,
  pattern: new RegExp(`^${spec.basePath}${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
}))

/** Throws unless the answer is one that openapi.yaml describes for the operation that was asked, or a problem document if there is none. */
function checkDocumented(bytes: string, { status, headers, body }: RawAnswer): void {
  const [, method = '', target = ''] = /^(\S+) (?:https?:\/\/[^/ ]*)?([^ ?]*)/.exec(bytes.trimStart()) ?? []
  if (method === 'HEAD') return
  const operation = PATHS.find((path) => path.method === method && path.pattern.test(target))
  const described =
    operation !== undefined && (!BEFORE_OPERATIONS.has(status) || spec.operations.find(({ id }) => id === operation.id)?.responses.has(status))
  if (described && operation !== undefined) checkAnswer(operation.id, status, headers, body)
  else if (status >= 400) checkProblem(status, headers, body)
}
