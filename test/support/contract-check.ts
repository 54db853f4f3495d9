import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { readSpec, type Schema } from '../../src/contract/spec.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { Validators } from '../../src/contract/validation.ts'

export const spec = readSpec()
const validators = new Validators(spec.document)
const operationsById = new Map(spec.operations.map((operation) => [operation.id, operation]))

export function operationOf(id: OperationId) {
  const operation = operationsById.get(id)
  if (operation === undefined) throw new Error(`There is no operation ${id}.`)
  return operation
}

/** The answers that this test has seen, as `getTask 200`, for test/support/answers.ts. */
const seen = new Set<string>()
const record = process.env['DOCKET_TEST_ANSWERS']
if (record !== undefined) {
  const folder = path.basename(path.dirname(process.argv[1] ?? ''))
  process.on('exit', () => writeFileSync(path.join(record, `${folder} ${process.pid}`), [...seen].join('\n')))
}

/**
 * Throws unless openapi.yaml describes this answer of the operation: its status, content type, every required header, each header's schema and the
 * body's schema.
 */
export function checkAnswer(id: OperationId, status: number, headers: Headers, text: string): void {
  const response = operationOf(id).responses.get(status)
  const fail = (what: string) => new Error(`${id} ${status}: ${what}\n${text.slice(0, 1000)}`)
  if (response === undefined) throw fail('openapi.yaml does not describe this status')

  for (const [name, header] of Object.entries(response.headers ?? {})) {
    const value = headers.get(name)
    if (value === null) {
      if (header.required) throw fail(`the header ${name} is missing`)
    } else {
      const validate = validators.check(header.schema)
      if (!validate(value)) throw fail(`the header ${name} is "${value}": ${JSON.stringify(validate.errors?.[0]?.message)}`)
    }
  }
  for (const name of ['etag', 'location', 'link', 'allow', 'retry-after', 'www-authenticate']) {
    const described = Object.keys(response.headers ?? {}).some((known) => known.toLowerCase() === name)
    if (headers.has(name) && !described) throw fail(`the header ${name} is not described`)
  }

  seen.add(`${id} ${status}`)
  const [entry] = Object.entries(response.content ?? {})
  const type = headers.get('content-type')
  if (entry === undefined) {
    if (text !== '' || type !== null) throw fail('there must be no body')
    return
  }
  const [mediaType, { schema }] = entry
  if (type !== `${mediaType}; charset=utf-8`) throw fail(`the content type is ${type} instead of ${mediaType}`)
  // test/changes looks at the events.
  if (mediaType === 'text/event-stream') return
  checkValue(schema, JSON.parse(text), fail)
}

/** Throws unless the answer is a problem document: for paths and methods that no operation has. */
export function checkProblem(status: number, headers: Headers, text: string): void {
  const fail = (what: string) => new Error(`${status}: ${what}\n${text.slice(0, 1000)}`)
  if (headers.get('content-type') !== 'application/problem+json; charset=utf-8') throw fail('is no problem document')
  const problem = JSON.parse(text)
  checkValue({ $ref: '#/components/schemas/Problem' }, problem, fail)
  if (problem.status !== status || problem.requestId !== headers.get('x-request-id')) throw fail('the document contradicts the answer')
}

/** Throws unless the schema, of this document, accepts the value. */
export function checkValue(schema: Schema, value: unknown, fail = (what: string) => new Error(what)): void {
  const validate = validators.check(schema)
  if (!validate(value))
    throw fail(`the body breaks its schema: ${JSON.stringify(validate.errors?.map(({ instancePath, message }) => `${instancePath} ${message}`))}`)
}
