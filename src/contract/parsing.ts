import type { FastifyInstance } from 'fastify'
import { invalid, invalidField, malformed, Problem, pointerTo } from '../problem.ts'
import { SpecError } from './spec.ts'

/** RFC 8259 §8.1: UTF-8, and nothing that is not. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Deeper than any body of the contract, and shallow enough for a recursive check. */
const DEEPEST = 32

const PARSERS: Readonly<Record<string, (body: Buffer) => unknown>> = {
  'application/json': parseJson,
  'application/x-www-form-urlencoded': parseForm,
}

/** The parser of a media type becomes the only one in this scope, so that every other type is a 415. */
export function parseOnly(scope: FastifyInstance, mediaType: string): void {
  const parse = PARSERS[mediaType]
  if (parse === undefined) throw new SpecError(`There is no parser for ${mediaType}.`)
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(mediaType, { parseAs: 'buffer' }, ({ headers }, body, done) =>
    answer(done, () => {
      if (headers['content-type'] !== mediaType) requireUtf8(headers['content-type'] ?? '')
      return parse(body as Buffer)
    }),
  )
}

/** Whoever names another charset has sent other characters than would be read here. */
function requireUtf8(contentType: string): void {
  for (const [, charset = ''] of contentType.matchAll(/;\s*charset=([^;]*)/gi)) {
    if (!/^"?(utf-?8|us-ascii)"?\s*$/i.test(charset)) throw new Problem('UNSUPPORTED_MEDIA_TYPE', 'The charset of the body must be UTF-8.')
  }
}

function answer(done: (error: Error | null, value?: unknown) => void, parse: () => unknown): void {
  try {
    done(null, parse())
  } catch (error) {
    done(error as Error)
  }
}

function parseJson(body: Buffer): unknown {
  if (body.length === 0) return undefined
  const text = decode(body)
  let value: unknown
  try {
    requireUnambiguous(text)
    value = JSON.parse(text)
  } catch (error) {
    throw error instanceof Problem ? error : malformed('The body is not valid JSON.')
  }
  // Only an escape can bring in NUL or a lone surrogate.
  if (text.includes('\\u')) requireSound(value, '')
  return value
}

/** RFC 6749 §3.1: a parameter without a value counts as absent, and none may come twice. */
function parseForm(body: Buffer): Record<string, unknown> {
  const form: Record<string, unknown> = Object.create(null)
  for (const [name, value] of parsePairs(decode(body))) {
    if (value === '') continue
    if (name in form) throw malformed(`The parameter ${name.slice(0, 64)} is given twice.`)
    if (value.includes('\0')) throw holdsNul('body', name, 'MALFORMED_REQUEST')
    form[name] = value
  }
  return form
}

function decode(body: Buffer): string {
  try {
    return utf8.decode(body)
  } catch {
    throw malformed('The body is not valid UTF-8.')
  }
}

/** @param code as the operation answers what breaks its schema */
function holdsNul(part: 'body' | 'query', name: string, code: 'VALIDATION_FAILED' | 'MALFORMED_REQUEST'): Problem {
  return invalid([{ in: part, path: pointerTo(name.replaceAll('\0', '')), code: 'characters', message: 'must not hold the NUL character' }], code)
}

/**
 * Looks at the brackets and names outside of strings, before anything is built of them: nothing that comes later can be made to recurse without end,
 * and no object names a field twice, of which one reader takes the first and another the last (RFC 8259 §4).
 */
function requireUnambiguous(text: string): void {
  const names: Set<string>[] = []
  let string: string | undefined
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index]
    if (character === '"') {
      const start = index + 1
      for (index = start; index < text.length && text[index] !== '"'; index += 1) if (text[index] === '\\') index += 1
      string = text.slice(start, index)
    } else if (character === '[' || character === '{') {
      if (names.push(new Set()) > DEEPEST) throw malformed(`The body is nested deeper than ${DEEPEST} levels.`)
    } else if (character === ']' || character === '}') names.pop()
    else if (character === ':') {
      const known = names.at(-1)
      if (known === undefined || string === undefined) throw malformed('The body is not valid JSON.')
      const name = string.includes('\\') ? JSON.parse(`"${string}"`) : string
      // Whatever is no JSON: no string is read twice.
      string = undefined
      if (known.has(name)) throw malformed('The body names the same field twice.')
      known.add(name)
    }
  }
}

/** PostgreSQL stores no NUL, and would store U+FFFD in place of a lone surrogate. */
function requireSound(value: unknown, path: string): void {
  if (typeof value === 'string') {
    if (value.includes('\0')) throw invalidField('body', path, 'characters', 'must not hold the NUL character')
    if (!value.isWellFormed()) throw invalidField('body', path, 'characters', 'must not hold a lone surrogate')
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) requireSound(item, `${path}/${index}`)
  } else if (typeof value === 'object' && value !== null) {
    for (const name in value) {
      requireSound(name, path)
      requireSound((value as Record<string, unknown>)[name], path + pointerTo(name))
    }
  }
}

/**
 * The query as text values; one that comes again becomes a list. Percent-encoding must be valid UTF-8.
 * Without a prototype, so that `?__proto__=1` is a name like any other.
 */
export function parseQuery(text: string, code: 'VALIDATION_FAILED' | 'MALFORMED_REQUEST'): Record<string, unknown> {
  const query: Record<string, unknown> = Object.create(null)
  if (text === '') return query
  for (const [name, value] of parsePairs(text)) {
    if (name.includes('\0') || value.includes('\0')) throw holdsNul('query', name, code)
    const before = query[name]
    // Pushed, not spread: 8,000 repetitions fit into a request, and copying the list each time took 100 ms.
    if (Array.isArray(before)) before.push(value)
    else query[name] = before === undefined ? value : [before, value]
  }
  return query
}

function* parsePairs(text: string): Generator<[string, string]> {
  for (const pair of text.split('&')) {
    if (pair === '') continue
    const at = pair.indexOf('=')
    try {
      yield at < 0 ? [decodeComponent(pair), ''] : [decodeComponent(pair.slice(0, at)), decodeComponent(pair.slice(at + 1))]
    } catch {
      throw malformed('The percent-encoding is not valid UTF-8.')
    }
  }
}

function decodeComponent(text: string): string {
  return text.includes('%') || text.includes('+') ? decodeURIComponent(text.replaceAll('+', ' ')) : text
}
