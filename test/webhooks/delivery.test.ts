import t from 'tap'
import packageJson from '../../package.json' with { type: 'json' }
import { startApp } from '../support/app.ts'
import { createWebhook, deliverAll, LOCAL, startReceiver, verify } from './receivers.ts'

t.test('deliveries', async (t) => {
  const app = await startApp(t, LOCAL)
  const { as, context, register } = app
  const { db } = context

  t.test('of a change: signed for the reference library, with the state that GET shows', async (t) => {
    const ada = await register()
    const receiver = await startReceiver(t)
    const { secret } = await createWebhook(app, ada, receiver.url)
    const { body: task } = await as(ada)('createTask', { body: { title: 'Grüße 😀', dueDate: '2026-12-24', timeZone: 'Europe/Berlin' }, expect: 201 })
    t.same(await deliverAll(app), [])

    const [request, ...others] = receiver.received
    t.same(others, [])
    if (request === undefined) return
    t.match(verify(secret, request), { type: 'task.created', data: { resource: 'task', id: task.id, version: 1, actorId: ada.id, state: task } })
    t.same(JSON.parse(request.body).data.state, task)
    t.equal(request.method, 'POST')
    t.equal(request.path, '/hook')
    t.match(request.headers, {
      'content-type': 'application/json; charset=utf-8',
      'user-agent': `Docket/${packageJson.version}`,
      'webhook-id': /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      'webhook-timestamp': /^\d{10}$/,
      'webhook-signature': /^v1,[A-Za-z0-9+/]{43}=$/,
      connection: 'close',
    })
    const event = JSON.parse(request.body)
    t.equal(event.timestamp, event.data.occurredAt)
  })

  t.test('go to each webhook for the types that it names, of its owner alone', async (t) => {
    const [ada, eve] = [await register(), await register()]
    const [created, ended, hers, off] = [await startReceiver(t), await startReceiver(t), await startReceiver(t), await startReceiver(t)]
    await createWebhook(app, ada, created.url, { events: ['task.created', 'list.created'] })
    await createWebhook(app, ada, ended.url, { events: ['task.updated', 'task.deleted'] })
    await createWebhook(app, ada, off.url, { events: ['task.created'], enabled: false })
    await createWebhook(app, eve, hers.url, { events: ['task.created', 'task.updated', 'task.deleted'] })
    const { body: list } = await as(ada)('createList', { body: { title: 'Groceries' }, expect: 201 })
    const { body: task } = await as(ada)('createListTask', { params: { listId: list.id }, body: { title: 'Milk' }, expect: 201 })
    await as(ada)('updateTask', { params: { taskId: task.id }, body: { completed: true }, expect: 200 })
    await as(ada)('deleteTask', { params: { taskId: task.id }, expect: 204 })
    await deliverAll(app)

    const typesOf = (receiver: typeof created) =>
      receiver
        .events()
        .map(({ type }) => type)
        .toSorted()
    t.same(typesOf(created), ['list.created', 'task.created'])
    t.same(typesOf(ended), ['task.deleted', 'task.updated'])
    t.same(typesOf(hers), [])
    t.same(typesOf(off), [])
    const deleted = ended.events().find(({ type }) => type === 'task.deleted')
    t.match(deleted, { data: { id: task.id, version: 3, state: null } })
  })

  t.test('are not there when the change is rolled back, and cost nothing to whoever has no webhook', async (t) => {
    const ada = await register()
    await createWebhook(app, ada, 'http://127.0.0.1:9')
    await t.rejects(
      db.transaction().execute(async (trx) => {
        await trx
          .updateTable('lists')
          .set((eb) => ({ title: 'x', version: eb('version', '+', 1) }))
          .where('owner_id', '=', ada.id)
          .execute()
        throw new Error('rolled back')
      }),
      { message: 'rolled back' },
    )
    const eve = await register()
    await as(eve)('createTask', { body: { title: 'Milk' }, expect: 201 })
    t.same(await db.selectFrom('webhook_deliveries').select('id').where('owner_id', 'in', [ada.id, eve.id]).execute(), [])
  })

  t.test('failed: tried again under the same id and another timestamp, sixteen times, then given up', async (t) => {
    const ada = await register()
    const receiver = await startReceiver(t, (_request, response) => void response.writeHead(500).end('no'))
    const { secret, params } = await createWebhook(app, ada, receiver.url)
    await as(ada)('createTask', { body: { title: 'Milk' }, expect: 201 })
    for (let number = 1; number < 16; number++) {
      t.same(await deliverAll(app, { number }), ['The webhook could not be delivered: The answer is none of the statuses 200 to 299.'])
      const { body } = await as(ada)('listWebhookDeliveries', { params, expect: 200 })
      t.match(body.items, [{ status: 'retrying', tries: number, responseStatus: 500, responseBody: 'no' }])
    }
    t.same(await deliverAll(app, { number: 16 }), [])
    const { body } = await as(ada)('listWebhookDeliveries', { params, expect: 200 })
    t.match(body.items, [{ status: 'failed', tries: 16, error: 'The answer is none of the statuses 200 to 299.' }])
    t.equal(receiver.received.length, 16)
    t.equal(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size, 1)
    t.equal(new Set(receiver.received.map(({ body }) => body)).size, 1)
    for (const request of receiver.received) verify(secret, request)
    t.same(await deliverAll(app), [], 'it has ended')
    t.equal(receiver.received.length, 16)
  })

  t.test('have failed from the beginning of their last try until that succeeds, for it may be interrupted', async (t) => {
    const ada = await register()
    const receiver = await startReceiver(t, async (_request, response) => {
      const { items } = (await as(ada)('listWebhookDeliveries', { params, expect: 200 })).body
      t.match(items, [{ status: 'failed', error: 'The last try was interrupted.' }])
      response.writeHead(204).end()
    })
    const { params } = await createWebhook(app, ada, receiver.url)
    await as(ada)('createTask', { body: { title: 'Milk' }, expect: 201 })
    t.same(await deliverAll(app, { number: 16 }), [])
    t.match((await as(ada)('listWebhookDeliveries', { params, expect: 200 })).body.items, [{ status: 'delivered', error: null }])
  })

  t.test('410 disables the webhook at once, with an event in the audit log', async (t) => {
    const ada = await register()
    const receiver = await startReceiver(t, (_request, response) => void response.writeHead(410).end())
    const { params } = await createWebhook(app, ada, receiver.url)
    for (const title of ['Milk', 'Bread', 'Butter']) {
      await as(ada)('createTask', { body: { title }, expect: 201 })
      t.same(await deliverAll(app), [])
    }
    t.equal(receiver.received.length, 1)
    const { body: webhook } = await as(ada)('getWebhook', { params, expect: 200 })
    t.match(webhook, { enabled: false, disabledReason: 'gone' })
    const { body } = await as(ada)('listWebhookDeliveries', { params, expect: 200 })
    t.match(body.items, [{ status: 'failed', responseStatus: 410 }])
    const events = await db
      .selectFrom('audit_events')
      .select(['action', 'actor_id', 'object_id'])
      .where('user_id', '=', ada.id)
      .where('action', '=', 'webhook.disabled')
      .execute()
    t.same(events, [{ action: 'webhook.disabled', actor_id: null, object_id: params.webhookId }])

    await as(ada)('updateWebhook', { params, body: { enabled: true }, expect: 200 })
    t.match((await as(ada)('getWebhook', { params, expect: 200 })).body, { enabled: true, disabledReason: null })
  })

  t.test('answered 410 where the webhook has another URL by then are tried again, there', async (t) => {
    const ada = await register()
    const next = await startReceiver(t)
    const receiver = await startReceiver(t, async (_request, response) => {
      await as(ada)('updateWebhook', { params, body: { url: next.url }, expect: 200 })
      response.writeHead(410).end()
    })
    const { params } = await createWebhook(app, ada, receiver.url)
    await as(ada)('createTask', { body: { title: 'Milk' }, expect: 201 })
    t.same(await deliverAll(app), ['The webhook could not be delivered: The answer is none of the statuses 200 to 299.'])
    t.same(await deliverAll(app, { number: 2 }), [])
    t.match((await as(ada)('listWebhookDeliveries', { params, expect: 200 })).body.items, [{ status: 'delivered', tries: 2 }])
    t.equal(next.received.length, 1)
  })

  t.test('that all fail for five days disable the webhook; a success in between does not let them', async (t) => {
    const ada = await register()
    let status = 500
    const receiver = await startReceiver(t, (_request, response) => void response.writeHead(status).end())
    const { params } = await createWebhook(app, ada, receiver.url)
    const since = (days: number) =>
      db
        .updateTable('webhooks')
        .set({ failing_since: new Date(Date.now() - days * 86_400_000).toISOString() })
        .where('id', '=', params.webhookId)
        .where('failing_since', 'is not', null)
        .execute()
    const webhook = async () => (await as(ada)('getWebhook', { params, expect: 200 })).body
    await as(ada)('createTask', { body: { title: 'Milk' }, expect: 201 })
    await deliverAll(app)
    await since(4.9)
    await deliverAll(app)
    t.match(await webhook(), { enabled: true, disabledReason: null })
    status = 200
    await deliverAll(app)
    await since(6)
    status = 500
    await as(ada)('createTask', { body: { title: 'Bread' }, expect: 201 })
    await deliverAll(app)
    t.match(await webhook(), { enabled: true, disabledReason: null })
    await since(5)
    t.same(await deliverAll(app), [])
    t.match(await webhook(), { enabled: false, disabledReason: 'failing' })
    const { items } = (await as(ada)('listWebhookDeliveries', { params, query: { limit: 1 }, expect: 200 })).body
    t.match(items, [{ status: 'failed' }])
    const events = await db
      .selectFrom('audit_events')
      .select('object_id')
      .where('user_id', '=', ada.id)
      .where('action', '=', 'webhook.disabled')
      .execute()
    t.same(events, [{ object_id: params.webhookId }])
  })

  t.test('of a webhook that was disabled, deleted, or whose owner was disabled are dropped', async (t) => {
    const root = await app.registerAdmin()
    const receiver = await startReceiver(t)
    const waiting = async () => {
      const person = await register()
      const webhook = await createWebhook(app, person, receiver.url)
      await as(person)('createTask', { body: { title: 'Milk' }, expect: 201 })
      return { person, ...webhook }
    }
    const [off, gone, hers] = [await waiting(), await waiting(), await waiting()]
    await as(off.person)('updateWebhook', { params: off.params, body: { enabled: false }, expect: 200 })
    await as(gone.person)('deleteWebhook', { params: gone.params, expect: 204 })
    await as(root)('updateUser', { params: { userId: hers.person.id }, body: { disabled: true }, expect: 200 })
    t.same(await deliverAll(app), [])
    t.same(receiver.received, [])
    const statuses = await db
      .selectFrom('webhook_deliveries')
      .select(['webhook_id', 'status'])
      .where('webhook_id', 'in', [off.id, gone.id, hers.id])
      .execute()
    t.same(new Map(statuses.map(({ webhook_id, status }) => [webhook_id, status])), new Map([off, hers].map(({ id }) => [id, 'dropped'])))
  })

  t.test('whose owner is deleted are gone with the webhook', async (t) => {
    const ada = await register()
    await createWebhook(app, ada, 'http://127.0.0.1:9')
    await as(ada)('createTask', { body: { title: 'Milk' }, expect: 201 })
    await as(ada)('deleteMe', { body: { currentPassword: 'correct horse battery staple' }, expect: 204 })
    t.same(await db.selectFrom('webhook_deliveries').select('id').where('owner_id', '=', ada.id).execute(), [])
  })
})
