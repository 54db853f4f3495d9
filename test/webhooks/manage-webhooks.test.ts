import t from 'tap'
import { deliver } from '../../src/webhooks/delivery.ts'
import { Destinations } from '../../src/webhooks/destinations.ts'
import { startApp } from '../support/app.ts'
import { workJob } from '../support/jobs.ts'
import { everyValue } from '../support/rows.ts'
import { createWebhook, deliverAll, LOCAL, startReceiver, sweep, verify, workerContextOf } from './receivers.ts'

const URL_OF_HOOK = 'https://example.com/hooks/docket'

t.test('webhooks', async (t) => {
  const app = await startApp(t, { ...LOCAL, DATABASE_POOL_SIZE: '20' })
  const { as, context, logged, register } = app
  const { db } = context

  t.test('createWebhook: 201 with the secret, which is shown this once and stored nowhere', async (t) => {
    const ada = await register()
    const request = { url: URL_OF_HOOK, description: 'Calendar', events: ['task.created' as const, 'list.deleted' as const] }
    const { body, headers } = await as(ada)('createWebhook', { body: request, expect: 201 })
    const { secret, ...rest } = body
    t.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/)
    t.match(rest, { ...request, enabled: true, disabledReason: null, createdAt: rest.updatedAt })
    t.equal(headers.get('cache-control'), 'no-store')
    t.equal(headers.get('location'), `/api/v1/webhooks/${body.id}`)
    const params = { webhookId: body.id }
    const { body: webhook, headers: again, text } = await as(ada)('getWebhook', { params, expect: 200 })
    t.same(webhook, rest)
    t.equal(again.get('etag'), headers.get('etag'))
    t.same((await as(ada)('listWebhooks', { expect: 200 })).body.items, [rest])
    const bytes = Buffer.from(secret.slice(6), 'base64')
    for (const shown of [text, await everyValue(db), JSON.stringify(logged)]) {
      for (const form of [secret.slice(6), bytes.toString('hex'), bytes.toString('base64url')]) t.notOk(shown.includes(form))
    }
  })

  t.test('createWebhook: 409 to the twenty-first, also of many at once', async (t) => {
    const ada = await register()
    const tries = Array.from({ length: 30 }, () => as(ada)('createWebhook', { body: { url: URL_OF_HOOK, events: ['task.created'] } }))
    const statuses = (await Promise.all(tries)).map(({ status }) => status as number)
    t.same(
      statuses.filter((status) => ![201, 409, 503].includes(status)),
      [],
    )
    const { body } = await as(ada)('listWebhooks', { query: { limit: 100 }, expect: 200 })
    t.ok(body.items.length <= 20)
    for (let count = body.items.length; count < 20; count++) await createWebhook(app, ada, URL_OF_HOOK)
    t.match(await as(ada)('createWebhook', { body: { url: URL_OF_HOOK, events: ['task.created'] } }), { status: 409, body: { code: 'CONFLICT' } })
    await as(ada)('deleteWebhook', { params: { webhookId: body.items[0]?.id ?? '' }, expect: 204 })
    await createWebhook(app, ada, URL_OF_HOOK)
  })

  t.test('updateWebhook: changes what it names, with versions as lists have them', async (t) => {
    const ada = await register()
    const { params, createdAt } = await createWebhook(app, ada, URL_OF_HOOK, { description: 'Calendar' })
    const first = (await as(ada)('getWebhook', { params, expect: 200 })).headers.get('etag') ?? ''
    await as(ada)('getWebhook', { params, headers: { 'If-None-Match': first }, expect: 304 })
    const patch = { url: 'https://example.org:8443/', description: null, events: ['list.created' as const], enabled: false }
    const { body, headers } = await as(ada)('updateWebhook', { params, body: patch, headers: { 'If-Match': first }, expect: 200 })
    t.match(body, { ...patch, createdAt, disabledReason: null })
    t.not(headers.get('etag'), first)
    await as(ada)('updateWebhook', { params, body: { enabled: true }, headers: { 'If-Match': first }, expect: 412 })
    await as(ada)('deleteWebhook', { params, headers: { 'If-Match': first }, expect: 412 })
    await as(ada)('deleteWebhook', { params, headers: { 'If-Match': headers.get('etag') ?? '' }, expect: 204 })
    await as(ada)('getWebhook', { params, expect: 404 })
    await as(ada)('deleteWebhook', { params, expect: 404 })
  })

  t.test('each change is in the audit log, and none of what it holds', async (t) => {
    const ada = await register()
    const { params } = await createWebhook(app, ada, URL_OF_HOOK)
    await as(ada)('updateWebhook', { params, body: { description: 'secret plans', enabled: true }, expect: 200 })
    await as(ada)('rotateWebhookSecret', { params, expect: 200 })
    await as(ada)('deleteWebhook', { params, expect: 204 })
    const events = await db
      .selectFrom('audit_events')
      .select(['action', 'actor_id', 'object_id', 'changed_fields', 'operation'])
      .where('user_id', '=', ada.id)
      .where('object_id', '=', params.webhookId)
      .orderBy('id')
      .execute()
    const common = { actor_id: ada.id, object_id: params.webhookId, changed_fields: [] }
    t.same(events, [
      { ...common, action: 'webhook.created', operation: 'createWebhook' },
      { ...common, action: 'webhook.updated', operation: 'updateWebhook', changed_fields: ['description', 'enabled'] },
      { ...common, action: 'webhook.secret_rotated', operation: 'rotateWebhookSecret' },
      { ...common, action: 'webhook.deleted', operation: 'deleteWebhook' },
    ])
  })

  t.test("somebody else's webhook and its deliveries are 404", async () => {
    const [ada, eve] = [await register(), await register()]
    const { params } = await createWebhook(app, ada, URL_OF_HOOK)
    const { body: delivery } = await as(ada)('testWebhook', { params, expect: 202 })
    const other = await createWebhook(app, eve, URL_OF_HOOK)
    const deliveryId = delivery.id
    await as(eve)('listWebhookDeliveries', { params, expect: 404 })
    await as(eve)('redeliverWebhook', { params: { ...params, deliveryId }, expect: 404 })
    await as(eve)('redeliverWebhook', { params: { ...other.params, deliveryId }, expect: 404 })
    await as(eve)('rotateWebhookSecret', { params, expect: 404 })
    await as(eve)('testWebhook', { params, expect: 404 })
  })

  t.test('a deletion waits for no change, and no change fails because of it, in 20 rounds', async (t) => {
    const ada = await register()
    for (let round = 0; round < 20; round++) {
      const { params } = await createWebhook(app, ada, URL_OF_HOOK)
      const writes = Array.from({ length: 5 }, () => as(ada)('createTask', { body: { title: 'Milk' } }))
      const { status } = await as(ada)('deleteWebhook', { params })
      t.equal(status, 204)
      t.same(
        (await Promise.all(writes)).map((answer) => answer.status),
        [201, 201, 201, 201, 201],
      )
    }
    t.same(await db.selectFrom('webhook_deliveries').select('id').where('owner_id', '=', ada.id).execute(), [])
  })
})

t.test('secrets that are replaced', async (t) => {
  const app = await startApp(t, LOCAL)
  const { as, context, register } = app
  const ada = await register()
  const receiver = await startReceiver(t)
  const { secret: first, params } = await createWebhook(app, ada, receiver.url)

  /** Which of the secrets have signed what is sent now. */
  const signers = async (...secrets: string[]) => {
    await as(ada)('testWebhook', { params, expect: 202 })
    t.same(await deliverAll(app), [])
    const request = receiver.received.at(-1)
    if (request === undefined) throw new Error('nothing came')
    const good = secrets.map((secret) => {
      try {
        return verify(secret, request).type === 'webhook.test'
      } catch {
        return false
      }
    })
    t.equal(String(request.headers['webhook-signature']).split(' ').length, good.filter(Boolean).length)
    return good
  }

  t.same(await signers(first), [true])
  const { body: second, headers } = await as(ada)('rotateWebhookSecret', { params, expect: 200 })
  t.equal(headers.get('cache-control'), 'no-store')
  const hours = (Date.parse(second.previousSecretExpiresAt) - Date.now()) / 3_600_000
  t.ok(hours > 23 && hours <= 24.1, `${hours} hours`)
  t.same(await signers(first, second.secret), [true, true], 'both for a day')
  const { body: third } = await as(ada)('rotateWebhookSecret', { params, expect: 200 })
  t.same(await signers(first, second.secret, third.secret), [false, true, true], 'of three, the oldest ends at once')
  await context.db
    .updateTable('webhooks')
    .set({ previous_secret_expires_at: new Date(Date.now() - 1000).toISOString() })
    .execute()
  t.same(await signers(second.secret, third.secret), [false, true], 'and the other one after the day')
})

t.test('the log of deliveries', async (t) => {
  const app = await startApp(t, LOCAL)
  const { as, context, register } = app
  const ada = await register()
  let status = 204
  const receiver = await startReceiver(t, (_request, response) => void response.writeHead(status).end(status === 204 ? '' : 'Out of order'))
  const { params, secret } = await createWebhook(app, ada, receiver.url)
  const list = async (query = {}) => (await as(ada)('listWebhookDeliveries', { params, query, expect: 200 })).body

  t.test('testWebhook: 202, and an event of the type webhook.test, whatever the webhook is for', async (t) => {
    const { body: waiting } = await as(ada)('testWebhook', { params, expect: 202 })
    t.match(waiting, { type: 'webhook.test', status: 'waiting', tries: 0, triedAt: null, requestUrl: null, requestHeaders: [], responseStatus: null })
    await sweep(app)
    t.same((await list()).items, [waiting], 'also while it has a job')
    await deliverAll(app)
    const [request] = receiver.received
    if (request === undefined) throw new Error('nothing came')
    t.same(verify(secret, request), { type: 'webhook.test', timestamp: waiting.createdAt, data: params })
    t.equal(request.headers['webhook-id'], waiting.id)
    const [delivered] = (await list()).items
    t.match(delivered, {
      ...waiting,
      status: 'delivered',
      tries: 1,
      triedAt: String,
      requestUrl: receiver.url,
      requestHeaders: Array,
      responseStatus: 204,
      responseBody: '',
      latencyMilliseconds: Number,
    })
    t.equal(delivered?.requestBody, request.body)
    const headers = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`)
    for (const header of delivered?.requestHeaders ?? []) t.ok(headers.includes(header), header)
    t.notOk(JSON.stringify(delivered).includes('webhook-signature'))
    receiver.received.length = 0
  })

  t.test('redeliverWebhook: 202, and the same event under the same id once more, from any state', async (t) => {
    status = 500
    await as(ada)('createTask', { body: { title: 'Milk' }, expect: 201 })
    t.equal((await deliverAll(app)).length, 1)
    const [failed] = (await list({ status: 'retrying' })).items
    t.match(failed, { status: 'retrying', tries: 1, responseStatus: 500, responseBody: 'Out of order' })
    const which = { ...params, deliveryId: failed?.id ?? '' }
    status = 204
    const { body: again } = await as(ada)('redeliverWebhook', { params: which, expect: 202 })
    t.match(again, { id: failed?.id, status: 'waiting', tries: 1 })
    t.same((await as(ada)('redeliverWebhook', { params: which, expect: 202 })).body, again, 'asked for twice')
    t.same(await deliverAll(app), [])
    t.match((await list({ status: 'delivered', limit: 1 })).items, [{ id: failed?.id, tries: 2 }])
    await as(ada)('redeliverWebhook', { params: which, expect: 202 })
    t.same(await deliverAll(app), [])
    t.equal(receiver.received.length, 3)
    t.equal(new Set(receiver.received.map(({ body }) => body)).size, 1)
    t.same([...new Set(receiver.received.map(({ headers }) => headers['webhook-id']))], [failed?.id])
    for (const request of receiver.received) verify(secret, request)
  })

  t.test('the tries of a round that was overtaken by a redelivery end', async (t) => {
    receiver.received.length = 0
    const { db } = context
    const [delivery] = await db.selectFrom('webhook_deliveries').selectAll().where('type', '=', 'task.created').execute()
    if (delivery === undefined) throw new Error('there is none')
    const which = { ...params, deliveryId: delivery.id }
    await as(ada)('redeliverWebhook', { params: which, expect: 202 })
    await deliverAll(app)
    t.equal(receiver.received.length, 1)
    await db.updateTable('webhook_deliveries').set({ status: 'retrying', round: 99 }).where('id', '=', delivery.id).execute()
    await sweep(app)
    const key = { ownerId: ada.id, ...which, round: delivery.round }
    await deliver(workerContextOf(app), new Destinations([]), key, { jobId: '', number: 2, signal: AbortSignal.timeout(60_000) })
    t.equal(receiver.received.length, 1)
  })

  t.test('409 to a test and a redelivery while the webhook is disabled', async (t) => {
    const [delivery] = (await list()).items
    await as(ada)('updateWebhook', { params, body: { enabled: false }, expect: 200 })
    t.match(await as(ada)('testWebhook', { params }), { status: 409, body: { code: 'CONFLICT' } })
    t.match(await as(ada)('redeliverWebhook', { params: { ...params, deliveryId: delivery?.id ?? '' } }), { status: 409, body: { code: 'CONFLICT' } })
    t.same((await list()).items[0], delivery)
    await as(ada)('updateWebhook', { params, body: { enabled: true }, expect: 200 })
  })

  t.test('is paged, the newest first', async (t) => {
    for (let count = 0; count < 5; count++) await as(ada)('testWebhook', { params, expect: 202 })
    const all = (await list({ limit: 100 })).items.map(({ id }) => id)
    t.same(all, all.toSorted().toReversed())
    const first = await list({ limit: 4 })
    const second = await list({ limit: 4, cursor: first.nextCursor ?? '' })
    t.same(
      [...first.items, ...second.items].map(({ id }) => id),
      all.slice(0, 8),
    )
  })

  t.test('goes back for 30 days', async (t) => {
    const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString()
    const [old, young] = (await list({ limit: 100 })).items
    const age = (id: string | undefined, days: number) =>
      context.db
        .updateTable('webhook_deliveries')
        .set({ created_at: daysAgo(days) })
        .where('id', '=', String(id))
        .execute()
    await age(old?.id, 30.1)
    await age(young?.id, 29.9)
    await workJob(workerContextOf(app), 'delete-old-webhook-deliveries')
    const left = (await list({ limit: 100 })).items.map(({ id }) => id)
    t.notOk(left.includes(String(old?.id)))
    t.ok(left.includes(String(young?.id)))
  })
})
