import fc from 'fast-check'
import { fastify } from 'fastify'
import t, { type Test } from 'tap'
import { parseOnly, parseQuery } from '../../src/contract/parsing.ts'
import { SpecError } from '../../src/contract/spec.ts'
import { Problem } from '../../src/problem.ts'

const FORM = 'application/x-www-form-urlencoded'
const text = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((value) => !value.includes('\0'))
const asPairs = (value: object) =>
  Object.entries(value).flatMap(([name, item]) => [item].flat().map((one): [string, string] => [name, one as string]))

/** A server that answers what it has read. */
function reading(t: Test, mediaType: string) {
  const app = fastify({ bodyLimit: 1_048_576 })
  app.setErrorHandler((error, _request, reply) =>
    error instanceof Problem ? reply.code(error.status).send({ code: error.code, errors: error.errors }) : reply.code(500).send({}),
  )
  app.register(async (scope) => {
    parseOnly(scope, mediaType)
    scope.post('/', (request) => ({ read: request.body === undefined ? 'nothing' : request.body }))
  })
  t.teardown(() => app.close())
  return async (payload: string | Buffer, type = mediaType) => {
    const { statusCode, body } = await app.inject({ method: 'POST', url: '/', headers: { 'content-type': type }, payload })
    return { status: statusCode, ...JSON.parse(body) }
  }
}

t.test('parsing', async (t) => {
  t.test('JSON: whatever JSON.stringify writes is read as it was', async (t) => {
    const read = reading(t, 'application/json')
    const value = fc.jsonValue({ maxDepth: 6, stringUnit: 'grapheme' }).filter((value) => !JSON.stringify(value).includes('\\u'))
    await t.resolves(
      fc.assert(
        fc.asyncProperty(value, async (value) => {
          t.same(await read(JSON.stringify(value)), { status: 200, read: JSON.parse(JSON.stringify(value)) })
        }),
        { numRuns: 200 },
      ),
    )
  })

  t.test('JSON: escapes are read, NUL and lone surrogates are named with their place', async (t) => {
    const read = reading(t, 'application/json')
    t.match(await read('{"a":"\\u00e4\\ud83d\\ude00"}'), { status: 200, read: { a: 'ä\u{1f600}' } })
    for (const [body, path] of [
      ['"\\u0000"', ''],
      ['{"a":{"b":["x","\\u0000"]}}', '/a/b/1'],
      ['{"a":[{"b":"\\ud800"}]}', '/a/0/b'],
      ['{"a":{"x\\u0000":1}}', '/a'],
      ['{"__proto__":{"b":"\\u0000"}}', '/__proto__/b'],
    ] as const) {
      t.match(await read(body), { status: 422, code: 'VALIDATION_FAILED', errors: [{ in: 'body', path, code: 'characters' }] }, body)
    }
  })

  t.test('JSON: no name is read more than once, whatever follows it', async (t) => {
    const read = reading(t, 'application/json')
    const escaped = '\\u0041'.repeat(100)
    for (const body of [`"${escaped}"${':'.repeat(500)}`, `{"${escaped}":[${'{:},'.repeat(500)}{:}]}`, `["${escaped}"${':'.repeat(500)}]`]) {
      const parsed = t.capture(JSON, 'parse', JSON.parse)
      t.match(await read(body), { status: 400, code: 'MALFORMED_REQUEST' })
      const times = parsed().filter(({ args: [text] }) => text === `"${escaped}"`)
      t.ok(times.length <= 1, `${times.length} times`)
    }
  })

  t.test('JSON: what is nested more than 32 deep is not looked through', async (t) => {
    const read = reading(t, 'application/json')
    const nested = (depth: number) => `${'['.repeat(depth)}"\\u0061"${']'.repeat(depth)}`
    t.equal((await read(nested(32))).status, 200)
    t.match(await read(nested(33)), { status: 400, code: 'MALFORMED_REQUEST' })
    t.equal((await read(nested(200_000))).status, 400)
  })

  t.test('JSON: nothing is undefined, and only one type is read', async (t) => {
    const read = reading(t, 'application/json')
    t.same(await read(''), { status: 200, read: 'nothing' })
    t.match(await read('{}', 'application/json; charset=utf-8'), { status: 200, read: {} })
    t.match(await read('{}', 'application/json; charset=iso-8859-1'), { status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' })
    for (const type of ['text/plain', FORM, 'application/json5', 'application/jsonl', 'application'])
      t.equal((await read('{}', type)).status, 500, type)
  })

  t.test('JSON: a name that the language knows is a name like any other', async (t) => {
    const read = reading(t, 'application/json')
    t.equal((await read('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')).status, 200)
    t.notOk('polluted' in {})
  })

  t.test('form: whatever URLSearchParams writes is read as it was, without empty values', async (t) => {
    const read = reading(t, FORM)
    await t.resolves(
      fc.assert(
        fc.asyncProperty(fc.dictionary(text, text), async (form) => {
          const kept = Object.fromEntries(Object.entries(form).filter(([, value]) => value !== ''))
          t.same(await read(new URLSearchParams(form).toString()), { status: 200, read: kept })
        }),
        { numRuns: 200 },
      ),
    )
  })

  t.test('form: 400 for a parameter that comes twice, for NUL and for what is no UTF-8', async (t) => {
    const read = reading(t, FORM)
    for (const body of ['a=1&a=1', 'a=1&%61=2', 'a=%00', 'a=%', 'a=%ff', '%ff=a', 'a=%c0%80', 'a=%ed%a0%80', Buffer.from([0x61, 0x3d, 0xff])]) {
      t.match(await read(body), { status: 400, code: 'MALFORMED_REQUEST' }, String(body))
    }
    t.same(await read('a=1&a=&&b'), { status: 200, read: { a: '1' } })
    t.same(await read('a=b=c&d=+%2B'), { status: 200, read: { a: 'b=c', d: ' +' } })
    t.same(await read('__proto__=1&constructor=2'), { status: 200, read: JSON.parse('{"__proto__":"1","constructor":"2"}') })
  })

  t.test('a media type without a parser stops the start', async (t) => {
    t.throws(() => parseOnly(fastify(), 'text/csv'), new SpecError('There is no parser for text/csv.'))
  })

  t.test('query: whatever URLSearchParams writes is read as it was, in its order', async (t) => {
    const query = fc.dictionary(text, fc.oneof(text, fc.array(text, { minLength: 2, maxLength: 4 })))
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(query, (query) => {
          const read = parseQuery(new URLSearchParams(asPairs(query)).toString(), 'VALIDATION_FAILED')
          t.same(asPairs(read).toSorted(), asPairs(query).toSorted())
        }),
        { numRuns: 300 },
      ),
    )
  })

  t.test('query: has no prototype, and a value that comes again makes a list', async (t) => {
    const read = (query: string) => parseQuery(query, 'VALIDATION_FAILED')
    t.equal(Object.getPrototypeOf(read('a=1')), null)
    t.same(Object.entries(read('__proto__=1&toString=2')), [
      ['__proto__', '1'],
      ['toString', '2'],
    ])
    t.same({ ...read('a=1&b&a=2&a=') }, { a: ['1', '2', ''], b: '' })
    t.same({ ...read('&&=&a%3Db=c=d') }, { '': '', 'a=b': 'c=d' })
    t.same({ ...read('a+b=c+d%2B') }, { 'a b': 'c d+' })
  })

  t.test('query: 422 or 400 for NUL, as the operation has it, and 400 for what is no UTF-8', async (t) => {
    const errors = [{ in: 'query', path: '/ab', code: 'characters', message: 'must not hold the NUL character' }]
    for (const query of ['ab=%00', 'a%00b=1']) {
      t.throws(() => parseQuery(query, 'VALIDATION_FAILED'), { code: 'VALIDATION_FAILED', status: 422, errors })
      t.throws(() => parseQuery(query, 'MALFORMED_REQUEST'), { code: 'MALFORMED_REQUEST', status: 400, errors })
    }
    for (const query of ['a=%', '%=a', 'a=%f', 'a=%gg', 'a=%ff', 'a=%ed%a0%80']) {
      t.throws(() => parseQuery(query, 'VALIDATION_FAILED'), { code: 'MALFORMED_REQUEST', status: 400 }, query)
    }
  })

  t.test('query: reads 8,000 repetitions as one list', async (t) => {
    t.same({ ...parseQuery('a&'.repeat(8000), 'VALIDATION_FAILED') }, { a: Array(8000).fill('') })
  })
})
