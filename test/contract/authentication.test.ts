import t from 'tap'
import { operations } from '../../generated/operations.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { startApp } from '../support/app.ts'
import { operationOf } from '../support/contract-check.ts'
import { acceptable, bearer, CONSUMING, call, createIds, narrowed, OPERATIONS, SCOPED, SCOPES, SECURED } from './walk.ts'

t.test('authentication', async (t) => {
  const { url, as, register, registerAdmin } = await startApp(t)
  const grace = await registerAdmin()
  const ada = await register()
  const params = await createIds(as(grace))

  /** A request whose body cannot be read: if it is answered 401 or 403, nobody has tried to. */
  const unreadable = (id: OperationId) => ({ params, ...(operationOf(id).body && { raw: Buffer.from([0x7b, 0xff, 0x22]) }) })

  for (const id of SECURED) {
    t.test(`${id}: 401 to nobody, before the body is looked at`, async (t) => {
      const { status, headers, body } = await call(url, id, undefined, unreadable(id))
      t.equal(status, 401)
      t.match(body, { code: 'UNAUTHENTICATED' })
      t.equal(headers.get('www-authenticate'), 'Bearer realm="docket"')
    })

    t.test(`${id}: 401 to bad credentials, before the body is looked at (which they are: test/security/access-tokens.test.ts)`, async (t) => {
      const { status, headers } = await call(url, id, 'nonsense', unreadable(id))
      t.equal(status, 401)
      t.equal(headers.get('www-authenticate'), 'Bearer realm="docket", error="invalid_token"')
    })

    t.test(`${id}: the name of the scheme may be in any case`, async (t) => {
      const token = await narrowed(as, CONSUMING.includes(id) ? await registerAdmin() : grace, SCOPES)
      const { status } = await call(url, id, undefined, { ...acceptable(id, params), headers: { Authorization: `bEARER ${token}` } })
      t.not(status, 401)
    })
  }

  for (const id of OPERATIONS.filter((id) => operations[id].public)) {
    t.test(`${id}: credentials that nobody asked for change nothing`, async (t) => {
      const without = await call(url, id, undefined, acceptable(id, params))
      const withBad = await call(url, id, undefined, { ...acceptable(id, params), headers: { Authorization: 'Basic Og==' } })
      // The example of a registration can be used once.
      t.equal(withBad.status, id === 'register' ? 409 : without.status)
    })
  }

  for (const id of SCOPED) {
    const [scope = ''] = operations[id].scopes
    t.test(`${id}: 403 INSUFFICIENT_SCOPE to a token with every scope but ${scope}, before the body is looked at`, async (t) => {
      const others = SCOPES.filter((other) => other !== scope)
      const { status, headers, body } = await call(url, id, await narrowed(as, grace, others), unreadable(id))
      t.equal(status, 403)
      t.match(body, { code: 'INSUFFICIENT_SCOPE' })
      t.equal(headers.get('www-authenticate'), `Bearer realm="docket", error="insufficient_scope", scope="${scope}"`)
    })
  }

  for (const id of SCOPED.filter((id) => (operations[id].scopes as readonly string[]).includes('admin'))) {
    t.test(`${id}: 403 FORBIDDEN to somebody who is no admin`, async (t) => {
      const { status, headers, body } = await call(url, id, undefined, { ...unreadable(id), headers: bearer(ada) })
      t.equal(status, 403)
      t.match(body, { code: 'FORBIDDEN' })
      t.equal(headers.get('www-authenticate'), null)
    })
  }
})
