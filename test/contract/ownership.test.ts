import { randomUUID } from 'node:crypto'
import t from 'tap'
import { operations } from '../../generated/operations.ts'
import { resolve, type Schema } from '../../src/contract/spec.ts'
import { startApp } from '../support/app.ts'
import { operationOf, spec } from '../support/contract-check.ts'
import { acceptable, bearer, call, createIds, idsOf, isForAdmins, unknownIds, WITH_BODY, WITH_ID } from './walk.ts'

/** What a stranger is told must not differ from what everybody is told of an id that never was; a fixed request id makes the bytes comparable. */
t.test('ownership', async (t) => {
  const { url, as, register, registerAdmin } = await startApp(t)
  const ada = await register()
  const params = await createIds(as(ada))
  const strangers = { 'a stranger': await register(), 'an admin': await registerAdmin() }
  const pinned = { 'X-Request-Id': 'the-same-for-all' }

  const adasThings = async () => ({
    list: (await as(ada)('getList', { params, expect: 200 })).text,
    task: (await as(ada)('getTask', { params, expect: 200 })).text,
    reminder: (await as(ada)('getReminder', { params, expect: 200 })).text,
    reminders: (await as(ada)('listReminders', { params, expect: 200 })).text,
  })
  const before = await adasThings()

  for (const id of WITH_ID.filter((id) => !isForAdmins(id))) {
    for (const [who, stranger] of Object.entries(strangers)) {
      t.test(`${id}: 404 to ${who}, the same bytes as for an unknown id`, async (t) => {
        const theirs = await call(url, id, stranger.accessToken, { ...acceptable(id, params), headers: pinned })
        const unknown = await call(url, id, stranger.accessToken, { ...acceptable(id, unknownIds(params)), headers: pinned })
        t.equal(theirs.status, 404)
        t.equal(theirs.text, unknown.text)
        const headersOf = ({ headers }: typeof theirs) => [...headers].filter(([name]) => name !== 'date')
        t.same(headersOf(theirs), headersOf(unknown))
      })
    }

    t.test(`${id}: 404 to a stranger whatever the precondition`, async (t) => {
      for (const headers of [{ 'If-Match': '*' }, { 'If-Match': '"1"' }, { 'If-None-Match': '*' }]) {
        t.equal((await call(url, id, strangers['a stranger'].accessToken, { ...acceptable(id, params), headers })).status, 404)
      }
    })
  }

  for (const id of WITH_ID) {
    const caller = isForAdmins(id) ? strangers['an admin'] : ada

    t.test(`${id}: 422 for an id that is no UUID`, async (t) => {
      const uuid = randomUUID()
      const bad = ['x', '1', 'null', uuid.slice(1), `${uuid}0`, uuid.replaceAll('-', ''), `{${uuid}}`, `urn:uuid:${uuid}`, `${uuid.slice(0, -1)}g`]
      for (const value of [...bad, `${uuid}\0`, ' ', "' or 1=1 --", '../lists', '%', '\u{1f600}']) {
        const { status, body } = await call(url, id, caller.accessToken, acceptable(id, idsOf(params, () => value) as typeof params))
        t.equal(status, 422, JSON.stringify(value))
        const [, name = ''] = /\{(\w+)\}/.exec(operations[id].path) ?? []
        t.match(body, { errors: [{ in: 'path', path: `/${name}` }] })
      }
    })

    t.test(`${id}: the case of an id does not matter`, async (t) => {
      const own = await createIds(as(caller))
      const upper = Object.fromEntries(Object.entries(own).map(([name, value]) => [name, value.toUpperCase()])) as typeof own
      const { status } = await call(url, id, caller.accessToken, acceptable(id, upper))
      t.ok(status >= 200 && status < 300, `${status}`)
    })
  }

  for (const id of WITH_BODY) {
    const { properties = {} } = resolve<Schema>(spec.document, operationOf(id).body?.schema)
    for (const name of Object.keys(properties).filter((name) => name.endsWith('Id') && name in params)) {
      t.test(`${id}: 404 to a stranger who names ${name} in the body`, async (t) => {
        const stranger = strangers['a stranger']
        const request = acceptable(id, await createIds(as(stranger)))
        const send = (foreign: string) =>
          call(url, id, undefined, {
            ...request,
            body: { ...(request.body as object), [name]: foreign },
            headers: { ...pinned, ...bearer(stranger) },
          })
        const theirs = await send(params[name as keyof typeof params])
        t.equal(theirs.status, 404)
        t.equal(theirs.text, (await send(randomUUID())).text)
      })
    }
  }

  t.test('nothing of what strangers tried has changed anything', async (t) => {
    t.same(await adasThings(), before)
  })
})
