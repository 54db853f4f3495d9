import t from 'tap'
import { operations } from '../../generated/operations.ts'
import { innerSchemas, resolve, type Schema } from '../../src/contract/spec.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { checkValue, operationOf, spec } from '../support/contract-check.ts'
import { exampleBodies, OPERATIONS, SCOPES, WITH_BODY } from './walk.ts'

const { document } = spec

/** Every object of the document with the keys that lead to it. */
function* nodesOf(node: unknown, path = ''): Generator<[path: string, node: Record<string, unknown>]> {
  if (typeof node !== 'object' || node === null) return
  yield [path, node as Record<string, unknown>]
  for (const [key, child] of Object.entries(node)) yield* nodesOf(child, `${path}/${key}`)
}

function* schemasIn(schema: Schema, path: string): Generator<[path: string, schema: Schema]> {
  yield [path, schema]
  for (const [index, inner] of innerSchemas(schema).entries()) yield* schemasIn(inner, `${path}/${index}`)
}

/** Every schema that is written somewhere: the components, and those of parameters, headers and bodies. */
const SCHEMAS = [...nodesOf(document)].flatMap(([path, node]) => {
  if (path === '/components/schemas') return Object.entries(node).flatMap(([name, schema]) => [...schemasIn(schema as Schema, `${path}/${name}`)])
  return 'schema' in node ? [...schemasIn(node['schema'] as Schema, `${path}/schema`)] : []
})

t.test('the document', async (t) => {
  const faults = (check: (schema: Schema, types: string[]) => boolean) =>
    SCHEMAS.filter(([, schema]) => schema.$ref === undefined && !check(schema, [schema.type ?? []].flat())).map(([path]) => path)

  t.test('has schemas to look at', async (t) => {
    t.ok(SCHEMAS.length > 100)
  })

  // Beyond it V8 keeps the whole text, every name and every header that comes from it at two bytes a character, and then every answer: a tenth of a page.
  t.test('has no character beyond Latin-1', async (t) => {
    t.same(
      [...spec.text].filter((character) => character > '\u00ff'),
      [],
    )
  })

  t.test('every schema says what type it is', async (t) => {
    t.same(
      faults((schema, types) => types.length > 0 || schema.anyOf !== undefined),
      [],
    )
  })

  t.test('every text is bounded', async (t) => {
    t.same(
      faults(
        (schema, types) => !types.includes('string') || [schema['enum'], schema.const, schema['maxLength']].some((bound) => bound !== undefined),
      ),
      [],
    )
  })

  t.test('every number is bounded at both ends', async (t) => {
    const isNumber = (types: string[]) => types.includes('integer') || types.includes('number')
    t.same(
      faults((schema, types) => !isNumber(types) || (schema['minimum'] !== undefined && schema['maximum'] !== undefined)),
      [],
    )
  })

  t.test('every list is bounded, and only lists of texts have unique items', async (t) => {
    const text = (schema: Schema | undefined) => resolve<Schema>(document, schema).type === 'string'
    t.same(
      faults(
        (schema, types) => !types.includes('array') || (schema['maxItems'] !== undefined && (schema['uniqueItems'] !== true || text(schema.items))),
      ),
      [],
    )
  })

  t.test('every object says what becomes of fields that it does not name', async (t) => {
    t.same(
      faults((schema, types) => !types.includes('object') || schema.additionalProperties !== undefined || schema.oneOf !== undefined),
      [],
    )
  })

  t.test('every required property is described', async (t) => {
    t.same(
      faults(({ required = [], properties = {} }) => (required as string[]).every((name) => name in properties)),
      [],
    )
  })

  t.test('every parameter has a description, and every path parameter is required', async (t) => {
    const parameters = Object.values((document.components as unknown as { parameters: Record<string, Record<string, unknown>> }).parameters)
    const inline = OPERATIONS.flatMap((id) => operationOf(id).parameters as unknown as Record<string, unknown>[])
    for (const { name, description, required, in: part } of [...parameters, ...inline]) {
      t.match(description, /\S/, String(name))
      if (part === 'path') t.equal(required, true, String(name))
    }
  })

  t.test('the scopes are those that operations demand', async (t) => {
    t.same(SCOPES.toSorted(), [...new Set(OPERATIONS.flatMap((id) => operations[id].scopes))].toSorted())
  })

  t.test('every tag is described, and has an operation', async (t) => {
    const { tags } = document as unknown as { tags: { name: string; description: string }[] }
    t.same(tags.map(({ name }) => name).toSorted(), [...new Set(OPERATIONS.map((id) => operations[id].tag))].toSorted())
    for (const { name, description } of tags) t.match(description, /\S/, name)
  })

  const objectOf = (id: OperationId) => document.paths[operations[id].path]?.[operations[id].method.toLowerCase()] as Record<string, unknown>

  for (const id of OPERATIONS) {
    const { responses, schemes, scopes, parameters, body, path, oauth2Errors } = operationOf(id)

    t.test(`${id}: has a summary and a description`, async (t) => {
      t.match(objectOf(id)['summary'], /^\S.{2,60}[^.\s]$/)
      t.match(objectOf(id)['description'], /\S/)
    })

    t.test(`${id}: documents every problem that it can give`, async (t) => {
      // A form that breaks its schema is a 400 in OAuth2 (RFC 6749 §5.2).
      const invalid = oauth2Errors ? [] : [422]
      const possible = [400, 500, ...invalid]
      if (schemes.length > 0) possible.push(401)
      if (scopes.length > 0) possible.push(403)
      if (path.includes('{')) possible.push(404)
      if (body !== undefined) possible.push(413, 415)
      if (parameters.some(({ name }) => name === 'If-Match')) possible.push(412)
      // Only the question whether the process runs needs no database.
      if (id !== 'getLiveness') possible.push(503)
      for (const status of possible) t.ok(responses.has(status), `${status}`)
      // What describes no 429 is not limited (http/rate-limits.ts).
      t.equal(responses.has(429), operations[id].tag !== 'health', '429')
    })

    t.test(`${id}: every answer has a request id, problems are problem documents, and there is one success`, async (t) => {
      for (const [status, { headers = {}, content = {} }] of responses) {
        t.ok(headers['X-Request-Id']?.required, `${status}`)
        if (status < 400 || (id === 'getReadiness' && status === 503)) continue
        const name = oauth2Errors ? 'OAuth2Problem' : 'Problem'
        t.match(content, { 'application/problem+json': { schema: { $ref: `#/components/schemas/${name}` } } }, `${status}`)
        if (status === 401) t.ok(headers['WWW-Authenticate']?.required)
        if (status === 429 || status === 503) t.ok(headers['Retry-After']?.required)
      }
      t.equal([...responses.keys()].filter((status) => status < 300).length, 1)
    })
  }

  for (const id of WITH_BODY) {
    t.test(`${id}: shows bodies that its own schema accepts`, async (t) => {
      const examples = exampleBodies(id)
      t.ok(examples.length > 0)
      for (const example of examples) checkValue(operationOf(id).body?.schema ?? {}, structuredClone(example))
    })
  }

  t.test('every example is valid where it stands', async (t) => {
    let count = 0
    const check = (schema: Schema, value: unknown, where: string) => {
      // A default at the top of a schema has nothing to go into.
      const { default: _, ...rest } = schema
      t.doesNotThrow(() => checkValue(rest, structuredClone(value)), where)
      count += 1
    }
    for (const [path, schema] of SCHEMAS) {
      if ('example' in schema) check(schema, schema['example'], path)
      for (const value of (schema['examples'] as unknown[] | undefined) ?? []) check(schema, value, path)
      if ('default' in schema) check(schema, schema['default'], path)
    }
    for (const [path, { schema, example, examples }] of [...nodesOf(document)].filter(([, node]) => 'schema' in node)) {
      if (example !== undefined) check(schema as Schema, example, path)
      for (const { value } of Object.values((examples as Record<string, { value: unknown }> | undefined) ?? {})) check(schema as Schema, value, path)
    }
    t.ok(count > 50)
  })

  t.test('every example of a problem is one that the server could send', async (t) => {
    for (const [path, node] of nodesOf(document)) {
      const problem = node['example'] as { type?: string; code?: string; status?: number } | undefined
      if (problem?.type === undefined || problem.code === undefined) continue
      t.equal(problem.type, `urn:docket:problem:${problem.code.toLowerCase().replaceAll('_', '-')}`, path)
    }
  })
})
