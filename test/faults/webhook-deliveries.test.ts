import t from 'tap'
import type { Answer } from '../../src/contract/types.ts'
import { PASSWORD } from '../support/app.ts'
import { callerOf } from '../support/client.ts'
import { until } from '../support/jobs.ts'
import { LOCAL, startReceiver, verify } from '../webhooks/receivers.ts'
import { rowsOf, startDurablePostgres, startInstance } from './cluster.ts'

const NOTHING = new Map<string, Answer>()

t.test('a server that is killed between a change and its delivery: the webhook is called, at least once and under the same id', async (t) => {
  const { url } = await startDurablePostgres(t)
  let answers = false
  const receiver = await startReceiver(t, (_request, response) => void (answers && response.writeHead(204).end()))
  const start = (environment = {}) => startInstance(t, url, { ...LOCAL, SHUTDOWN_GRACE_MS: '0', ...environment })

  // It works no jobs, so whatever it acknowledges is not delivered when it dies.
  const first = await start({ JOBS: 'off' })
  const registration = { username: 'ada', email: 'ada@example.com', password: PASSWORD }
  const { body: ada } = await callerOf(first.url, undefined, NOTHING)('register', { body: registration, expect: 201 })
  const call = callerOf(first.url, ada.accessToken, NOTHING)
  const { body: webhook } = await call('createWebhook', { body: { url: receiver.url, events: ['task.created'] }, expect: 201 })
  const acknowledged = new Set<string>()
  const killed = Promise.withResolvers<unknown>()
  const work = async () => {
    for (;;) {
      acknowledged.add((await call('createTask', { body: { title: 'Acknowledged' }, expect: 201 })).body.id)
      if (acknowledged.size === 20) killed.resolve(first.end('SIGKILL'))
    }
  }
  await Promise.allSettled([work(), work(), work()])
  await killed.promise
  t.same(receiver.received, [])

  // The next one dies while it waits for the receiver.
  const second = await start()
  await until(() => receiver.received.length > 0)
  t.equal(await second.end('SIGKILL'), null)
  const unanswered = receiver.received.map(({ headers }) => headers['webhook-id'])

  answers = true
  const third = await start()
  const delivered = () => new Set(receiver.events().flatMap((event) => (event.type === 'task.created' ? [event.data.id] : [])))
  await until(async () => {
    // What a clock would do: those that the dead process was at run out of time, and the pauses are over.
    await rowsOf(
      url,
      "update pgboss.job set started_on = now() - interval '1 hour' where name = 'deliver-webhook' and state = 'active' and started_on < now() - interval '5 seconds'",
    )
    await rowsOf(url, "update pgboss.job set start_after = now() where name = 'deliver-webhook' and state = 'retry'")
    const [open] = await rowsOf<{ count: string }>(url, "select count(*) from webhook_deliveries where status <> 'delivered'")
    return open?.count === '0'
  })
  t.same(
    [...acknowledged].filter((id) => !delivered().has(id)),
    [],
  )
  for (const id of unanswered)
    t.ok(receiver.received.filter(({ headers }) => headers['webhook-id'] === id).length > 1, 'sent again under the same id')
  const bodies = new Map(receiver.received.map(({ headers, body }) => [headers['webhook-id'], body]))
  for (const request of receiver.received) {
    verify(webhook.secret, request)
    t.equal(request.body, bodies.get(request.headers['webhook-id']))
  }
  t.equal(await third.end('SIGTERM'), 0)
})
