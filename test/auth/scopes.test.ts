import t from 'tap'
import type { OperationId } from '../../src/contract/types.ts'
import { PASSWORD, startApp } from '../support/app.ts'
import { send, textOf } from '../support/client.ts'
import { checkAnswer, spec } from '../support/contract-check.ts'

const ID = '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10'
const SCOPES = ['account:read', 'account:write', 'admin', 'tasks:read', 'tasks:write', 'webhooks:write']

t.test('a token with one scope', async (t) => {
  const { as, registerAdmin, url } = await startApp(t)
  const { username } = await registerAdmin()
  const secured = spec.operations.filter(({ schemes }) => schemes.length > 0)

  t.test('the operations ask for scopes that a token can have', async (t) => {
    t.same([...new Set(secured.flatMap(({ scopes }) => scopes))].sort(), SCOPES)
  })

  for (const scope of SCOPES) {
    t.test(`${scope}: 403 INSUFFICIENT_SCOPE on the operations of other scopes, and only there`, async (t) => {
      const { body } = await as()('createToken', { body: { grant_type: 'password', username, password: PASSWORD, scope }, expect: 200 })
      for (const { id, scopes, parameters } of secured) {
        if (id === 'logout') continue
        const params = Object.fromEntries(parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => [name, ID]))
        const response = await send(url, id as OperationId, body.access_token, { params })
        const text = await textOf(response)
        checkAnswer(id as OperationId, response.status, response.headers, text)
        const lacking = scopes.find((needed) => needed !== scope)
        if (lacking === undefined) {
          t.not(response.status, 403, id)
          t.not(response.status, 401, id)
        } else {
          t.match({ status: response.status, body: JSON.parse(text) }, { status: 403, body: { code: 'INSUFFICIENT_SCOPE' } }, id)
          t.equal(response.headers.get('www-authenticate'), `Bearer realm="docket", error="insufficient_scope", scope="${lacking}"`)
        }
      }
    })
  }

  t.test('the tokens that follow it have no more', async (t) => {
    const { body: first } = await as()('createToken', {
      body: { grant_type: 'password', username, password: PASSWORD, scope: 'tasks:read' },
      expect: 200,
    })
    const { body: second } = await as()('createToken', {
      body: { grant_type: 'refresh_token', refresh_token: first.refresh_token, scope: 'tasks:read tasks:write admin' },
      expect: 200,
    })
    t.equal(second.scope, 'tasks:read')
    t.equal((await as({ accessToken: second.access_token })('listTasks')).status, 200)
    t.equal((await as({ accessToken: second.access_token })('createTask', { body: { title: 'x' } })).status, 403)
    t.equal((await as({ accessToken: second.access_token })('listUsers')).status, 403)
  })
})
