import t, { type Test } from 'tap'
import type { OperationId } from '../../src/contract/types.ts'
import { startApp } from '../support/app.ts'
import { operationOf } from '../support/contract-check.ts'
import { mailTokenOf, PURPOSES } from '../support/mail-tokens.ts'
import { CONSUMING, call, createIds, exampleBodies, isForAdmins, WITH_BODY } from './walk.ts'

/** The one success that an operation documents. */
const successOf = (id: OperationId) => Math.min(...operationOf(id).responses.keys())

/** A made-up token can only be refused, with this status; its form is then sent once more with a real one. */
const REFUSED_TOKENS = { refresh_token: 400, refreshToken: 401, token: 422 } as const
const fieldOfToken = (body: object) => (Object.keys(REFUSED_TOKENS) as (keyof typeof REFUSED_TOKENS)[]).find((field) => field in body)

/** Whatever is sent comes back as it is, save instants, which come back in UTC, and tokens, which work once. */
function expectEcho(t: Test, sent: Record<string, unknown>, received: Record<string, unknown>): void {
  for (const [field, value] of Object.entries(sent)) {
    if (!(field in received) || fieldOfToken({ [field]: value })) continue
    const isInstant = typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value)
    t.same(received[field], isInstant ? new Date(value).toISOString() : value, field)
  }
}

t.test('every example of a request in the document gets its documented answer', async (t) => {
  const { url, as, context, register, registerAdmin } = await startApp(t)
  const [registration] = exampleBodies('register') as [{ username: string; password: string }]
  const { body: ada } = await as()('register', { body: registration as never, expect: 201 })

  // The examples tell of one person, whom the first of them registers.
  expectEcho(t, registration, ada.user)
  for (const id of WITH_BODY.filter((id) => id !== 'register')) {
    for (const [index, body] of exampleBodies(id).entries()) {
      t.test(`${id}: example ${index + 1}`, async (t) => {
        const person = isForAdmins(id)
          ? await registerAdmin()
          : CONSUMING.includes(id) || fieldOfToken(body as object)
            ? await register()
            : { ...ada, ...ada.user }
        const params = await createIds(as(person))
        const field = fieldOfToken(body as object)
        if (field !== undefined) {
          const { status } = await call(url, id, undefined, { body })
          t.equal(status, REFUSED_TOKENS[field])
        }
        const token = id in PURPOSES ? await mailTokenOf(context, person, PURPOSES[id as keyof typeof PURPOSES]) : person.refreshToken
        const sent = field === undefined ? body : { ...(body as object), [field]: token }
        const answer = await call(url, id, person.accessToken, { params, body: sent })
        t.equal(answer.status, successOf(id))
        expectEcho(t, body as Record<string, unknown>, (answer.body ?? {}) as Record<string, unknown>)
      })
    }
  }
})
