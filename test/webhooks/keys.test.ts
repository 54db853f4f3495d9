import t from 'tap'
import { createDatabase, startApp } from '../support/app.ts'
import { workJob } from '../support/jobs.ts'
import { createWebhook, deliverAll, LOCAL, startReceiver, verify, workerContextOf } from './receivers.ts'

const [OLD, NEW] = ['q9Wf3kTz7LxV1mPbR8sYcD2gH5jN6uEa', 'tB4nXw8Zr2KvQ6yMd0JfLs7HcG5pUe3A']

t.test('secrets of webhooks when the keys of the server are replaced', async (t) => {
  const database = await createDatabase(t)
  if (database === undefined) return t.comment('the embedded database has one instance')
  const receiver = await startReceiver(t)
  const start = (keys: string) => startApp(t, { ...LOCAL, AUTH_SECRET: '', AUTH_KEYS: keys }, database)

  const before = await start(OLD)
  const ada = await before.register()
  const used = await createWebhook(before, ada, receiver.url)
  const idle = await createWebhook(before, ada, receiver.url, { events: ['reminder.fired'] })
  const { body: replaced } = await before.as(ada)('rotateWebhookSecret', { params: idle.params, expect: 200 })

  const deliver = async (app: typeof before, { params }: typeof used) => {
    const person = {
      accessToken: (await app.as()('login', { body: { username: ada.username, password: 'correct horse battery staple' }, expect: 200 })).body
        .accessToken,
    }
    await app.as(person)('testWebhook', { params, expect: 202 })
    await deliverAll(app)
    return receiver.received.at(-1)
  }
  const keyIds = async () => {
    const rows = await before.context.db.selectFrom('webhooks').select(['id', 'secret', 'previous_secret']).execute()
    return new Map(rows.map(({ id, secret, previous_secret }) => [id, [secret, previous_secret].map((sealed) => sealed?.toString('hex', 0, 8))]))
  }
  const [old] = (await keyIds()).get(used.id) ?? []

  const both = await start(`${NEW},${OLD}`)
  const request = await deliver(both, used)
  t.ok(request && verify(used.secret, request), 'one that was sealed under the old key signs')
  const [current] = (await keyIds()).get(used.id) ?? []
  t.not(current, old, 'and is sealed anew when it is used')
  t.same((await keyIds()).get(idle.id), [old, old])

  await workJob(workerContextOf(both), 'seal-webhook-secrets-anew')
  t.same((await keyIds()).get(idle.id), [current, current], 'as is all else, the secret before as well, by night')

  const after = await start(NEW)
  const last = await deliver(after, idle)
  t.ok(last && verify(replaced.secret, last) && verify(idle.secret, last), 'so that the old key can be dropped')
})

t.test('a secret whose key is lost: the delivery fails and says why', async (t) => {
  const app = await startApp(t, LOCAL)
  const ada = await app.register()
  const receiver = await startReceiver(t)
  const { params } = await createWebhook(app, ada, receiver.url)
  const { secret } = await app.context.db.selectFrom('webhooks').select('secret').executeTakeFirstOrThrow()
  await app.context.db
    .updateTable('webhooks')
    .set({ secret: Buffer.concat([Buffer.alloc(8), secret.subarray(8)]) })
    .execute()
  await app.as(ada)('testWebhook', { params, expect: 202 })
  const error = 'The secret cannot be read, since the server lacks a key. If this lasts, rotate it.'
  const log = async () => (await app.as(ada)('listWebhookDeliveries', { params, expect: 200 })).body.items
  t.same(await deliverAll(app), [error], 'it is tried again, as instances may get their keys one by one')
  t.match(await log(), [{ status: 'retrying', error }])
  t.same(await deliverAll(app, { number: 16 }), [])
  t.match(await log(), [{ status: 'failed', error }])
  await workJob(workerContextOf(app), 'seal-webhook-secrets-anew')
  await app.as(ada)('rotateWebhookSecret', { params, expect: 200 })
  await app.as(ada)('testWebhook', { params, expect: 202 })
  t.same(await deliverAll(app), [])
  t.equal(receiver.received.length, 1)
  t.same(
    receiver.received.map(({ headers }) => String(headers['webhook-signature']).split(' ').length),
    [1],
  )
})
