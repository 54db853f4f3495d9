import t from 'tap'
import { operations } from '../../generated/operations.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { startApp } from '../support/app.ts'
import { textOf, urlOf } from '../support/client.ts'
import { checkAnswer, operationOf } from '../support/contract-check.ts'
import { acceptable, bearer, call, callRaw, createIds, invalidStatusOf, isEndless, OPERATIONS, WITHOUT_BODY } from './walk.ts'

t.test('queries, and bodies that nobody asked for', async (t) => {
  const { url, as, registerAdmin } = await startApp(t)
  const grace = await registerAdmin()
  const params = await createIds(as(grace))

  /** Sends a query as it is, to an operation that gets everything else that it needs. */
  const query = async (id: OperationId, text: string) => {
    const { body } = acceptable(id, params)
    const type = operationOf(id).body?.mediaType
    const response = await fetch(`${urlOf(url, id, { params })}?${text}`, {
      method: operations[id].method,
      headers: { ...bearer(grace), ...(type && { 'Content-Type': type }) },
      ...(body !== undefined && { body: type === 'application/json' ? JSON.stringify(body) : new URLSearchParams(body as Record<string, string>) }),
    })
    const answer = await textOf(response)
    checkAnswer(id, response.status, response.headers, answer)
    return { status: response.status, body: JSON.parse(answer) }
  }

  for (const id of OPERATIONS) {
    const invalid = invalidStatusOf(id)
    t.test(`${id}: ${invalid} for a query parameter that is not described`, async (t) => {
      for (const name of ['surprise', 'Limit', 'limit[]', 'LIMIT', '__proto__', 'constructor', 'toString', '', 'a/b', 'access_token']) {
        const { status, body } = await query(id, `${encodeURIComponent(name)}=1`)
        t.equal(status, invalid, name)
        t.match(body.errors, [{ in: 'query', path: `/${name.replaceAll('/', '~1')}`, code: 'additionalProperties' }], name)
      }
      t.equal((await query(id, 'surprise')).status, invalid)
      t.equal((await query(id, 'surprise=1&surprise=2')).status, invalid)
    })

    t.test(`${id}: ${invalid} for NUL in a query, 400 for what is no UTF-8`, async (t) => {
      for (const text of ['a=%00', '%00=a', 'q=a%00b', 'limit=1%00']) t.equal((await query(id, text)).status, invalid, text)
      for (const text of ['a=%ff', '%ff=a', 'a=%zz', 'a=%', 'a=%e2%82', 'a=%ed%a0%80']) t.equal((await query(id, text)).status, 400, text)
    })
  }

  for (const id of OPERATIONS.filter((id) => operationOf(id).parameters.some((parameter) => parameter.in === 'query'))) {
    const described = operationOf(id).parameters.filter((parameter) => parameter.in === 'query')

    t.test(`${id}: 422 for a parameter that comes twice, unless it is a list`, async (t) => {
      for (const { name } of described.filter(({ schema }) => schema.type !== 'array')) {
        t.equal((await query(id, `${name}=1&${name}=1`)).status, 422, name)
      }
    })

    // Such as a stream, which takes a cursor alone.
    const integers = described.filter(({ schema }) => schema.type === 'integer')
    const booleans = described.filter(({ schema }) => schema.type === 'boolean')
    if (integers.length + booleans.length === 0) continue

    t.test(`${id}: 422 for numbers and booleans in any but their plain spelling`, async (t) => {
      for (const { name } of integers) {
        const bad = ['0x10', '1e1', '%205', '5%20', '%2B5', '05', '5.0', '1_0', '', 'NaN', '1e400', '-0', '%D9%A5', '5n', 'null', '0', '101', '-1']
        for (const text of [...bad, '9007199254740993', '99999999999999999999']) t.equal((await query(id, `${name}=${text}`)).status, 422, text)
      }
      for (const { name } of booleans) {
        for (const text of ['1', '0', 'TRUE', 'yes', 'on', '', 'null', 'true%20']) t.equal((await query(id, `${name}=${text}`)).status, 422, text)
      }
    })

    t.test(`${id}: empty pairs and percent-encoded names are read as forms are`, async (t) => {
      t.equal((await query(id, '')).status, 200)
      t.equal((await query(id, '&&limit=5&')).status, 200)
      t.equal((await query(id, '%6cimit=5')).status, 200)
    })
  }

  for (const id of WITHOUT_BODY) {
    t.test(`${id}: 400 for a body, told or sent in chunks`, async (t) => {
      const json = { ...bearer(grace), 'Content-Type': 'application/json' }
      for (const headers of [
        { ...json, 'Content-Length': '2' },
        { ...bearer(grace), 'Content-Length': '2' },
      ]) {
        const { status, body } = await callRaw(url, id, params, headers, '{}')
        t.equal(status, 400)
        t.match(body, { code: 'MALFORMED_REQUEST', detail: 'This operation takes no body.' })
      }
      t.equal((await callRaw(url, id, params, { ...json, 'Transfer-Encoding': 'chunked' }, '2\r\n{}\r\n0\r\n\r\n')).status, 400)
    })

    if (isEndless(id)) continue
    t.test(`${id}: the media type of no body does not matter`, async (t) => {
      for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded', ';']) {
        for (const length of [{}, { 'Content-Length': '0' }]) {
          // A session of its own each time: some of the operations end it, or all others.
          const person = await registerAdmin()
          const headers = { ...bearer(person), 'Content-Type': type, ...length }
          const { status } = await callRaw(url, id, await createIds(as(person)), headers, '')
          t.ok(status >= 200 && status < 300, `${status}`)
        }
      }
    })
  }

  t.test('a refused body does not end the session or delete anything', async (t) => {
    t.equal((await call(url, 'getTask', grace.accessToken, { params })).status, 200)
  })
})
