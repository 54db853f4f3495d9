import { sql } from 'kysely'
import t from 'tap'
import { type Person, startApp } from '../support/app.ts'
import { until } from '../support/jobs.ts'
import { createWebhook, LOCAL, startReceiver, sweep, webhookWorker } from './receivers.ts'

const QUICK = 'deliver-webhook'
const SLOW = 'deliver-to-failing-webhook'

t.test('a webhook', async (t) => {
  const app = await startApp(t, LOCAL)
  const { as, context, register } = app
  const { db } = context

  type Payload = Readonly<{ webhookId: string; tried?: number }>

  /** The jobs of a webhook, the oldest first. */
  const jobsOf = async (webhookId: string) => {
    const { rows } = await sql<{ name: string; priority: number; data: Payload; pause: number; more: number }>`
      select name, priority, data, retry_delay as pause, retry_limit as more from pgboss.job where data ->> 'webhookId' = ${webhookId} order by created_on`.execute(
      db,
    )
    return rows
  }
  const work = (name: string, payload: Payload, number = 1) =>
    webhookWorker(app, name).handle(payload as never, { jobId: '', number, signal: AbortSignal.timeout(60_000) })

  t.test('whose try took more than two seconds has its next tries as jobs of the other queue', async (t) => {
    const ada = await register()
    const receiver = await startReceiver(t, (_request, response) => void setTimeout(() => response.writeHead(204).end(), 2100))
    const { id, params } = await createWebhook(app, ada, receiver.url)
    const change = async () => {
      await as(ada)('createTask', { body: { title: 'Milk' }, expect: 201 })
      await sweep(app)
    }
    await change()
    await change()
    const [first, second, ...none] = await jobsOf(id)
    if (first === undefined || second === undefined) throw new Error('There are no jobs.')
    t.same([first.name, second.name, ...none], [QUICK, QUICK])
    await work(first.name, first.data)
    t.match((await as(ada)('listWebhookDeliveries', { params, query: { status: 'delivered' }, expect: 200 })).body.items, [{ responseStatus: 204 }])

    t.match(
      [first, second],
      [
        { pause: 10, more: 15 },
        { pause: 10, more: 15 },
      ],
    )
    await work(second.name, second.data, 3)
    t.equal(receiver.received.length, 1, 'one that had a job already is left to the other')
    await change()
    t.match(await jobsOf(id), [
      { name: QUICK },
      { name: QUICK },
      { name: SLOW, data: { ...second.data, tried: 2 }, pause: 40, more: 13 },
      { name: SLOW },
    ])
    // Another URL does not help.
    await as(ada)('updateWebhook', { params, body: { url: `${receiver.url}/2` }, expect: 200 })
    await change()
    t.equal((await jobsOf(id)).at(-1)?.name, SLOW)
  })

  t.test('is slow for ten minutes, and while it goes on failing', async (t) => {
    const ada = await register()
    const now = Date.now()
    const minutesAgo = (minutes: number | undefined) => (minutes === undefined ? null : new Date(now - minutes * 60_000).toISOString())
    for (const [slow, failing, name] of [
      [undefined, undefined, QUICK],
      [undefined, 20, QUICK],
      [9, undefined, SLOW],
      [9, 5, SLOW],
      [11, undefined, QUICK],
      [11, 10, QUICK],
      [11, 11, SLOW],
      [11, 20, SLOW],
    ] as const) {
      const { id, params } = await createWebhook(app, ada, 'http://127.0.0.1:9')
      await db
        .updateTable('webhooks')
        .set({ slow_at: minutesAgo(slow), failing_since: minutesAgo(failing) })
        .where('id', '=', id)
        .execute()
      await as(ada)('testWebhook', { params, expect: 202 })
      await sweep(app)
      t.match(await jobsOf(id), [{ name }], `slow ${slow}, failing ${failing}`)
    }
  })

  t.test('with a backlog has the next of others worked before its own second', async (t) => {
    const [ada, eve] = [await register(), await register()]
    const [hers, others] = [await createWebhook(app, ada, 'http://127.0.0.1:9'), await createWebhook(app, eve, 'http://127.0.0.1:9')]
    const change = (person: Person) => as(person)('createTask', { body: { title: 'Milk' }, expect: 201 })
    const prioritiesOf = async (webhookId: string) => (await jobsOf(webhookId)).map(({ priority }) => priority).toSorted((a, b) => b - a)
    for (let count = 0; count < 3; count++) await change(ada)
    await sweep(app)
    for (const person of [ada, eve]) await change(person)
    await sweep(app)
    t.same(await prioritiesOf(hers.id), [0, -1, -2, -3])
    t.same(await prioritiesOf(others.id), [0])
    await db.updateTable('webhooks').set({ slow_at: sql<string>`now()` }).where('id', '=', hers.id).execute()
    const last = (await jobsOf(hers.id)).find(({ priority }) => priority === -3)
    if (last === undefined) throw new Error('There is no job.')
    await work(QUICK, last.data)
    t.match((await jobsOf(hers.id)).at(-1), { name: SLOW, priority: -3 }, 'the other job too')
  })

  t.test('that is left to the other job gets sixteen tries in all', async (t) => {
    const ada = await register()
    const receiver = await startReceiver(t, (_request, response) => void response.writeHead(500).end())
    const { id, params } = await createWebhook(app, ada, receiver.url)
    await as(ada)('testWebhook', { params, expect: 202 })
    await sweep(app)
    const [job] = await jobsOf(id)
    if (job === undefined) throw new Error('There is no job.')
    const payload = { ...job.data, tried: 2 }
    await t.rejects(work(SLOW, payload, 13))
    await work(SLOW, payload, 14)
    const { body } = await as(ada)('listWebhookDeliveries', { params, expect: 200 })
    t.match(body.items, [{ status: 'failed', tries: 2 }])
  })
})

t.test('more slow webhooks than there are places: each user gets one place, and others get what is theirs', async (t) => {
  const app = await startApp(t, { ...LOCAL, JOBS: 'on' })
  const { as, context, register } = app
  let most = 0
  let open = 0
  const hanging = await startReceiver(t, (_request, response) => {
    open += 1
    most = Math.max(most, open)
    response.on('close', () => {
      open -= 1
    })
  })
  const good = await startReceiver(t)
  const hostile = await Promise.all(Array.from({ length: 7 }, () => register()))
  for (const person of hostile) for (let count = 0; count < 20; count++) await createWebhook(app, person, hanging.url)
  const [eve, zoe] = [await register(), await register()]
  await createWebhook(app, zoe, good.url)
  await context.db.updateTable('webhooks').set({ slow_at: sql<string>`now()` }).execute()
  await createWebhook(app, eve, good.url)

  for (const person of hostile) await as(person)('createTask', { body: { title: 'Milk' }, expect: 201 })
  await until(() => open >= hostile.length)
  for (const person of [eve, zoe]) await as(person)('createTask', { body: { title: 'Bread' }, expect: 201 })
  await until(() => good.received.length === 2)
  t.equal(most, hostile.length)
})
