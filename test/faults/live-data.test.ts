import { randomUUID } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'
import t, { type Test } from 'tap'
import { readEvents } from '../changes/reader.ts'
import { type Change, everythingOf, Replica, sorted } from '../changes/replica.ts'
import { PASSWORD } from '../support/app.ts'
import { type Caller, callerOf } from '../support/client.ts'
import { freePort } from '../support/postgres.ts'
import type { ServerProcess } from '../support/process.ts'
import { rowsOf, startDurablePostgres, startInstance, THOROUGH, until } from './cluster.ts'

const WRITERS = 20
const READERS = 5
const KILLS = THOROUGH ? 10 : 3
/** The list that is created last. */
const LAST = 'last'
/** How many tasks are created between two kills, at the least. */
const BETWEEN_KILLS = 60

/** Instances, of which each may be dead at any moment, and what finds one that answers. */
type Instances = readonly (() => ServerProcess)[]
const anyOf = (instances: Instances) => (instances[Math.floor(Math.random() * instances.length)] as Instances[number])().url

/** Keeps asking, under one key, until there is an answer that says what became of it. */
async function insist<Answer extends { status: number }>(
  instances: Instances,
  token: string,
  ask: (call: Caller) => Promise<Answer>,
): Promise<Answer> {
  for (;;) {
    const answer = await ask(callerOf(anyOf(instances), token, new Map())).catch((error: Error) => error)
    // A TypeError is fetch that got no answer.
    if (answer instanceof Error && !(answer instanceof TypeError)) throw answer
    if (!(answer instanceof Error) && answer.status !== 503 && answer.status !== 429) return answer
    await sleep(20)
  }
}

/** Creates tasks under keys, and changes and deletes some. @returns the title of each task that was created, which is its key */
async function write(instances: Instances, token: string, stop: AbortSignal, created: Map<string, string>): Promise<void> {
  while (!stop.aborted) {
    const key = randomUUID()
    const headers = { 'Idempotency-Key': key }
    let answer = await insist(instances, token, (call) => call('createTask', { body: { title: key }, headers }))
    while (answer.status === 409) answer = await insist(instances, token, (call) => call('createTask', { body: { title: key }, headers }))
    if (answer.status !== 201) throw new Error(`createTask answered ${answer.status}`)
    const taskId = answer.body.id
    created.set(key, taskId)
    if (Math.random() < 0.5) await insist(instances, token, (call) => call('updateTask', { params: { taskId }, body: { completed: true } }))
    if (Math.random() < 0.2) await insist(instances, token, (call) => call('deleteTask', { params: { taskId } }))
  }
}

/** Follows a stream from the beginning, and is cut off at random, until it has seen the end. */
async function follow(instances: Instances, token: string, replica: Replica): Promise<number> {
  let position: string | undefined
  let cuts = 0
  for (;;) {
    let left = Math.ceil(Math.random() * 200)
    try {
      if (position === undefined) {
        const { body } = await callerOf(anyOf(instances), token, new Map())('listChanges', { query: { limit: 1 }, expect: 200 })
        for (const change of body.items) replica.apply(change)
        position = body.nextCursor
      }
      const reader = await readEvents(anyOf(instances), token, { lastEventId: position })
      for (let event = await reader.next(); event !== undefined && left > 0; event = await reader.next()) {
        position = event.id
        if (event.change === undefined) continue
        replica.apply(event.change)
        left -= 1
        if (event.change.resource === 'list' && event.change.state?.title === LAST) {
          reader.cut()
          return cuts
        }
      }
      reader.cut()
    } catch (error) {
      // The instance has gone, or is not there yet.
      if (!(error instanceof TypeError) && !/answered (429|503)/.test(String(error))) throw error
      await sleep(20)
    }
    cuts += 1
  }
}

/** Receives webhooks. @returns its URL, and the changes of those whose signature is right, by their message id */
async function startReceiver(t: Test, secret: () => string): Promise<{ url: string; received: Map<string, Change>; refused: unknown[] }> {
  const received = new Map<string, Change>()
  const refused: unknown[] = []
  const server = http.createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => (body += chunk))
    request.on('end', () => {
      try {
        const { data } = new Webhook(secret()).verify(body, request.headers as Record<string, string>) as { data: Change }
        received.set(String(request.headers['webhook-id']), data)
      } catch (error) {
        refused.push(error)
      }
      response.writeHead(204).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, received, refused }
}

t.test('writers, readers that are cut off, webhooks, and two instances of which one is killed again and again', async (t) => {
  const { url: database } = await startDurablePostgres(t)
  const settings = { WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8', SHUTDOWN_GRACE_MS: '0' }
  const steady = await startInstance(t, database, settings)
  const PORT = String(await freePort())
  let mortal = await startInstance(t, database, { ...settings, PORT })
  const instances: Instances = [() => steady, () => mortal]

  const username = `ada-${randomUUID().slice(0, 8)}`
  const registration = { username, email: `${username}@example.com`, password: PASSWORD }
  const { body: ada } = await callerOf(steady.url, undefined, new Map())('register', { body: registration, expect: 201 })
  const token = ada.accessToken
  const call = callerOf(steady.url, token, new Map())
  let secret = ''
  const receiver = await startReceiver(t, () => secret)
  const events = ['task.created', 'task.updated', 'task.deleted'] as const
  secret = (await call('createWebhook', { body: { url: receiver.url, events: [...events] }, expect: 201 })).body.secret

  const stop = new AbortController()
  const created = new Map<string, string>()
  const replicas = Array.from({ length: READERS }, () => new Replica())
  const reading = Promise.all(replicas.map((replica) => follow(instances, token, replica)))
  const writing = Promise.all(Array.from({ length: WRITERS }, () => write(instances, token, stop.signal, created)))
  for (let kill = 0; kill < KILLS; kill++) {
    const before = created.size
    await Promise.race([writing, reading, until('creations go on', () => created.size >= before + BETWEEN_KILLS)])
    t.equal(await mortal.end('SIGKILL'), null)
    mortal = await startInstance(t, database, { ...settings, PORT })
  }
  stop.abort()
  await writing
  await call('createList', { body: { title: LAST }, expect: 201 })
  const cuts = await reading

  const as = () => call
  const shown = sorted(await everythingOf(as, { ...ada, ...ada.user }))
  t.ok(shown.length > BETWEEN_KILLS * KILLS * 0.5, `${created.size} tasks were created, ${cuts.join(', ')} times a reader was cut off`)
  for (const replica of replicas) t.same(sorted(replica.states), shown, 'a reader has what GET shows')

  const made = await rowsOf<{ resource_id: string; title: string }>(
    database,
    `select resource_id, state ->> 'title' as title from changes where type = 'task.created' and owner_id = '${ada.user.id}'`,
  )
  t.same(new Map(made.map(({ resource_id, title }) => [title, resource_id])), created, 'one task of every key')
  t.equal(made.length, created.size)

  const log = await rowsOf<{ resource_id: string; version: number }>(
    database,
    `select resource_id, version from changes where type::text like 'task.%' and owner_id = '${ada.user.id}'`,
  )
  const wanted = log.map(({ resource_id, version }) => `${resource_id} ${version}`).toSorted()
  const arrived = () => new Set([...receiver.received.values()].map(({ id, version }) => `${id} ${version}`))
  // Those that a killed instance was sending are found when their time is over, and tried again after a pause.
  await until('every webhook arrives', () => arrived().size >= wanted.length, 120)
  t.same([...arrived()].toSorted(), wanted, 'every change of a task has arrived')
  t.equal(receiver.received.size, wanted.length, 'each under one id of its own')
  t.same(receiver.refused, [], 'signed')
})
