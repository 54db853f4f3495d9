import { randomUUID } from 'node:crypto'
import t from 'tap'
import { operations } from '../../generated/operations.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { PASSWORD, startApp } from '../support/app.ts'
import { textOf, urlOf } from '../support/client.ts'
import { checkAnswer, operationOf } from '../support/contract-check.ts'
import { mailTokenOf } from '../support/mail-tokens.ts'
import {
  type Answered,
  acceptable,
  bearer,
  CONSUMING,
  call,
  callRaw,
  createIds,
  everyHandler,
  exampleBodies,
  narrowed,
  OPERATIONS,
  SCOPES,
  serve,
  unknownIds,
} from './walk.ts'

const apiTokenRow = (userId: string) => () => ({
  user_id: userId,
  id: randomUUID(),
  name: 'Sync',
  secret_hash: Buffer.alloc(32),
  scopes: ['tasks:read'],
  created_at: new Date().toISOString(),
  expires_at: new Date().toISOString(),
})

/** Every answer that openapi.yaml describes is brought about once. A status that nothing below can bring about fails its test. */
t.test('documented answers', async (t) => {
  const app = await startApp(t)
  const { url, as, context } = app
  const grace = await app.registerAdmin()
  const token = grace.accessToken

  const failing = (error: () => Error) =>
    serve(t, context, (handlers) =>
      everyHandler(handlers, async () => {
        throw error()
      }),
    )
  const defective = await failing(() => new Error('a defect'))
  const withoutDatabase = await failing(() => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }))

  const rateLimits = { enabled: true, anonymous: 0, user: 0, register: 0, redisUrl: undefined }
  const exhausted = await serve(t, { ...context, config: { ...context.config, rateLimits } }, (handlers) => handlers)

  type Provoke = (id: OperationId) => Promise<Answered>
  const ids = () => createIds(as(grace))
  const credentials = { username: grace.username, password: 'not their password' }

  // A session of its own each time: one of the operations ends it.
  const succeed: Provoke = async (id) => {
    const person = CONSUMING.includes(id) ? await app.registerAdmin() : grace
    return call(url, id, await narrowed(as, person, SCOPES), acceptable(id, await createIds(as(person))))
  }
  const onlyAdmin = () => context.db.updateTable('users').set({ role: 'user' }).where('id', '<>', grace.id).execute()
  const oneMore = async () => {
    const { body } = await as(grace)('createApiToken', { body: { name: 'Sync', scopes: ['tasks:read'], currentPassword: PASSWORD }, expect: 201 })
    return body
  }
  const byStatus: Readonly<Record<number, Provoke>> = {
    200: succeed,
    201: succeed,
    202: succeed,
    204: succeed,
    304: async (id) => call(url, id, token, { params: await ids(), headers: { 'If-None-Match': '*' } }),
    400: (id) => unreadableQuery(id),
    401: async (id) => call(url, id, undefined, acceptable(id, await ids())),
    403: async (id) => {
      const others = SCOPES.filter((scope) => !(operations[id].scopes as readonly string[]).includes(scope))
      return call(url, id, await narrowed(as, grace, others), acceptable(id, await ids()))
    },
    404: async (id) => call(url, id, token, acceptable(id, unknownIds(await ids()))),
    409: async (id) => {
      const key = randomUUID()
      // Of a key ring that nobody has any more. What is under way cannot be looked at on the embedded database (test/idempotency/simultaneous.test.ts).
      const unreadable = { user_id: grace.id, operation: id, key, fingerprint: Buffer.alloc(32), answer: Buffer.alloc(36) }
      await context.db.insertInto('idempotency_records').values(unreadable).execute()
      return call(url, id, token, { ...acceptable(id, await ids()), headers: { 'Idempotency-Key': key } })
    },
    412: async (id) => call(url, id, token, { ...acceptable(id, await ids()), headers: { 'If-Match': '"999"' } }),
    413: async (id) => {
      const type = operationOf(id).body?.mediaType ?? ''
      return callRaw(url, id, await ids(), { ...bearer(grace), 'Content-Type': type, 'Content-Length': '262145' }, '')
    },
    // Something was forgotten since the beginning, where this cursor stands.
    410: async (id) => {
      const belongsTo = `changes ${grace.id}`
      await context.db.insertInto('change_horizons').values({ owner_id: grace.id, sequence: 1 }).execute()
      return call(url, id, token, { query: { cursor: context.cursors.encode(belongsTo, { key: '0', id: '0' }) } }).finally(() =>
        context.db.deleteFrom('change_horizons').where('owner_id', '=', grace.id).execute(),
      )
    },
    415: async (id) => call(url, id, token, { params: await ids(), raw: 'title=Milk', headers: { 'Content-Type': 'text/plain' } }),
    422: async (id) => call(url, id, token, { ...acceptable(id, await ids()), query: { surprise: 1 } }),
    429: async (id) => call(exhausted, id, token, acceptable(id, await ids())),
    500: async (id) => call(defective, id, token, acceptable(id, await ids())),
    503: async (id) => call(withoutDatabase, id, token, acceptable(id, await ids())),
  }
  async function unreadableQuery(id: OperationId): Promise<Answered> {
    const response = await fetch(`${urlOf(url, id, { params: await ids() })}?q=%ff`, { method: operations[id].method, headers: bearer(grace) })
    const text = await textOf(response)
    checkAnswer(id, response.status, response.headers, text)
    return { status: response.status, headers: response.headers, text, body: JSON.parse(text) }
  }

  const disabled: Provoke = async (id) => {
    const params = await ids()
    await as(grace)('updateWebhook', { params, body: { enabled: false }, expect: 200 })
    return call(url, id, token, { params })
  }
  const special: Readonly<Record<string, Provoke>> = {
    'register 409': (id) => call(url, id, undefined, { body: { username: 'somebody-else', email: grace.email, password: PASSWORD } }),
    'login 401': (id) => call(url, id, undefined, { body: credentials }),
    'createToken 401': (id) => call(url, id, undefined, { body: { grant_type: 'password', ...credentials } }),
    'refresh 200': async (id) => call(url, id, undefined, { body: { refreshToken: (await app.register()).refreshToken } }),
    'logout 403': async (id) => call(url, id, (await oneMore()).token),
    'resetPassword 204': async (id) => {
      const token = await mailTokenOf(context, await app.register(), 'reset_password')
      return call(url, id, undefined, { body: { token, password: 'tr0ub4dor and three more' } })
    },
    'verifyEmail 204': async (id) => {
      return call(url, id, undefined, { body: { token: await mailTokenOf(context, await app.register(), 'verify_email') } })
    },
    'verifyEmail 409': async (id) => {
      const { id: userId } = await app.register()
      return call(url, id, undefined, { body: { token: await mailTokenOf(context, { id: userId, email: grace.email }, 'change_email') } })
    },
    'changeEmail 409': async (id) => {
      const person = await app.register()
      for (let mails = 0; mails < 5; mails++) await mailTokenOf(context, person, 'change_email')
      return call(url, id, person.accessToken, { body: exampleBodies(id)[0] })
    },
    'deleteMe 409': async (id) => {
      await onlyAdmin()
      return call(url, id, token, { body: { currentPassword: PASSWORD } })
    },
    'createApiToken 409': async (id) => {
      await context.db
        .insertInto('api_tokens')
        .values(Array.from({ length: 100 }, apiTokenRow(grace.id)))
        .execute()
      return call(url, id, token, { body: exampleBodies(id)[0] }).finally(() =>
        context.db.deleteFrom('api_tokens').where('user_id', '=', grace.id).execute(),
      )
    },
    'createWebhook 409': async (id) => {
      const person = await app.register()
      for (let count = 0; count < 20; count++) await as(person)('createWebhook', { body: exampleBodies('createWebhook')[0] as never, expect: 201 })
      return call(url, id, person.accessToken, { body: exampleBodies(id)[0] })
    },
    'testWebhook 409': disabled,
    'redeliverWebhook 409': disabled,
    'updateUser 409': async (id) => {
      await onlyAdmin()
      return call(url, id, token, { params: { userId: grace.id }, body: { role: 'user' } })
    },
    'deleteUser 409': async (id) => {
      await onlyAdmin()
      return call(url, id, token, { params: { userId: grace.id } })
    },
    'updateMe 409': async (id) => call(url, id, token, { body: { username: (await app.register()).username } }),
    'deleteList 409': async (id) => {
      const { body } = await as(grace)('listLists', { expect: 200 })
      return call(url, id, token, { params: { listId: body.items.find(({ inbox }) => inbox)?.id } })
    },
    'createTask 404': async (id) => call(url, id, token, { body: { title: 'Milk', listId: unknownIds(await ids()).listId } }),
    'createReminder 409': async (id) => {
      const params = await ids()
      await as(grace)('updateTask', { params, body: { completed: true }, expect: 200 })
      return call(url, id, token, { ...acceptable(id, params) })
    },
    'getReadiness 503': async (id) => {
      context.lifecycle.draining = true
      return call(url, id, undefined).finally(() => {
        context.lifecycle.draining = false
      })
    },
  }

  t.test('no special provocation is left over', async (t) => {
    const documented = OPERATIONS.flatMap((id) => [...operationOf(id).responses.keys()].map((status) => `${id} ${status}`))
    t.same(
      Object.keys(special).filter((answer) => !documented.includes(answer)),
      [],
    )
  })

  for (const id of OPERATIONS) {
    for (const status of operationOf(id).responses.keys()) {
      t.test(`${id}: ${status}`, async (t) => {
        const provoke = special[`${id} ${status}`] ?? byStatus[status]
        if (provoke === undefined) throw new Error('nothing here brings this answer about')
        t.equal((await provoke(id)).status, status)
      })
    }
  }
})
