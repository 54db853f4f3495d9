import t, { type Test } from 'tap'
import { operations } from '../../generated/operations.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { startApp } from '../support/app.ts'
import { textOf, urlOf } from '../support/client.ts'
import { checkAnswer, checkProblem } from '../support/contract-check.ts'
import { bearer, createIds, OPERATIONS } from './walk.ts'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

t.test('methods', async (t) => {
  const { url, as, registerAdmin } = await startApp(t)
  const grace = await registerAdmin()
  const params = await createIds(as(grace))

  for (const id of OPERATIONS.filter((id) => operations[id].method === 'GET')) {
    const both = async (t: Test, headers: Record<string, string>, suffix = '') => {
      const target = urlOf(url, id, { params }) + suffix
      const get = await fetch(target, { headers })
      const head = await fetch(target, { headers, method: 'HEAD' })
      const text = await textOf(get)
      checkAnswer(id, get.status, get.headers, text)
      t.equal(head.status, get.status)
      t.equal(await head.text(), '')
      // The figures of a readiness check may grow by a digit from one answer to the next. Of a stream HEAD need not say how it is sent (RFC 9110 §9.3.2).
      const changing = ['date', 'connection', 'keep-alive', 'x-request-id', 'transfer-encoding', ...(id === 'getReadiness' ? ['content-length'] : [])]
      const lasting = (answer: Response) => [...answer.headers].filter(([name]) => !changing.includes(name))
      t.same(lasting(head), lasting(get))
      t.equal(head.headers.has('content-length'), get.headers.has('content-length'))
      return get.status
    }

    t.test(`${id}: HEAD is GET without a body, for whomever`, async (t) => {
      t.equal(await both(t, bearer(grace)), 200)
      t.equal(await both(t, {}), operations[id].public ? 200 : 401)
      t.equal(await both(t, bearer(grace), '?surprise=1'), 422)
    })

    t.test(`${id}: HEAD with If-None-Match is what GET is`, async (t) => {
      const { headers } = await fetch(urlOf(url, id, { params }), { headers: bearer(grace) })
      t.equal(await both(t, { ...bearer(grace), 'If-None-Match': headers.get('etag') ?? '"1"' }), headers.has('etag') ? 304 : 200)
    })
  }

  for (const path of new Set(OPERATIONS.map((id) => operations[id].path))) {
    const ids = OPERATIONS.filter((id) => operations[id].path === path)
    const documented: string[] = ids.map((id) => operations[id].method)
    const methods = [...documented, ...(documented.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].toSorted()
    const target = urlOf(url, ids[0] as OperationId, { params })

    t.test(`OPTIONS ${path}: 204 with Allow, to anybody`, async (t) => {
      for (const headers of [{}, { 'Access-Control-Request-Method': 'GET', Origin: 'https://app.example.com' }]) {
        const response = await fetch(target, { method: 'OPTIONS', headers })
        t.equal(response.status, 204)
        t.equal(response.headers.get('allow'), methods.join(', '))
        t.equal(await response.text(), '')
      }
    })

    for (const method of METHODS.filter((method) => !methods.includes(method))) {
      t.test(`${method} ${path}: 405 with Allow, to anybody and whatever the body`, async (t) => {
        const garbage = { body: '{"a', headers: { 'Content-Type': 'application/json' } }
        for (const init of [{}, { headers: bearer(grace) }, ...(method === 'GET' || method === 'HEAD' ? [] : [garbage])]) {
          const response = await fetch(target, { ...init, method })
          const text = await response.text()
          t.equal(response.status, 405)
          t.equal(response.headers.get('allow'), methods.join(', '))
          if (method !== 'HEAD') {
            checkProblem(405, response.headers, text)
            t.match(JSON.parse(text), { code: 'METHOD_NOT_ALLOWED' })
          }
        }
      })
    }
  }
})
