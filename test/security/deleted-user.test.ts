import t from 'tap'
import { operations } from '../../generated/operations.ts'
import { acceptable, call, createIds, isForAdmins, narrowed, SCOPES, SECURED } from '../contract/walk.ts'
import { PASSWORD, startApp } from '../support/app.ts'
import { expectNoDefects } from './attacks.ts'

/**
 * Whose token is good when a request begins may be gone before it is done. Rows that vanish behind the back of the instance, which remembers who they
 * were, bring that about without any luck: nothing can be done for such a user any more, and none of it is a defect.
 */
t.test('a user who is deleted while their request runs', async (t) => {
  const { as, context, register, registerAdmin, url, logged } = await startApp(t)
  const { db } = context

  for (const id of SECURED) {
    t.test(`${id}: 401, or nothing found`, async (t) => {
      const person = isForAdmins(id) ? await registerAdmin() : await register()
      const params = await createIds(as(person))
      const sessionToken = await narrowed(as, person, [])
      const scopes = SCOPES.filter((scope) => scope !== 'admin' || isForAdmins(id)) as ['tasks:read']
      const { body } = await as(person)('createApiToken', { body: { name: 'x', scopes, currentPassword: PASSWORD }, expect: 201 })
      const tokens = (operations[id].schemes as readonly string[]).includes('apiToken') ? [sessionToken, body.token] : [sessionToken]
      for (const token of tokens) await call(url, 'getMe', token)
      await db.deleteFrom('users').where('id', '=', person.id).execute()
      for (const token of tokens) {
        const { status, text } = await call(url, id, token, acceptable(id, params))
        t.ok(status < 500 && status !== 201, `${status} ${text}`)
      }
      t.same(await db.selectFrom('lists').select('id').where('owner_id', '=', person.id).execute(), [])
    })
  }

  expectNoDefects(t, logged)
})
