import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { PASSWORD } from '../support/app.ts'
import { callerOf } from '../support/client.ts'
import { freePort } from '../support/postgres.ts'
import { rowsOf, startDurablePostgres, startInstance, THOROUGH, until } from './cluster.ts'

const WRITERS = 8
const ROUNDS = THOROUGH ? 20 : 4
/** How many creations each round waits for, so that it falls among them. */
const BETWEEN_ROUNDS = 40

/** One who asks for one thing after another, each under a key of its own, and again and again until there is an answer that says what became of it. */
async function write(url: string, token: string, done: Map<string, string>, unanswered: { count: number }, stop: AbortSignal): Promise<void> {
  const as = callerOf(url, token, new Map())
  while (!stop.aborted) {
    const key = randomUUID()
    while (!done.has(key)) {
      const reply = await as('createTask', { body: { title: key }, headers: { 'Idempotency-Key': key } }).catch((error: Error) => error)
      if (reply instanceof Error && !(reply instanceof TypeError)) throw reply
      if (!(reply instanceof Error) && reply.status === 201) done.set(key, reply.body.id)
      else if (reply instanceof Error || reply.status === 503 || reply.status === 409) {
        unanswered.count += 1
        await sleep(20)
      } else throw new Error(`${reply.status}: ${reply.text}`)
    }
  }
}

/**
 * Breaks something again and again while there are writers.
 * @param fail breaks it, and resolves when it works again
 */
async function expectOnce(t: Test, server: string, database: string, fail: () => Promise<void>): Promise<void> {
  const username = `ada-${randomUUID().slice(0, 8)}`
  const registration = { username, email: `${username}@example.com`, password: PASSWORD }
  const { body } = await callerOf(server, undefined, new Map())('register', { body: registration, expect: 201 })
  const done = new Map<string, string>()
  const unanswered = { count: 0 }
  const stop = new AbortController()
  const writers = Promise.all(Array.from({ length: WRITERS }, () => write(server, body.accessToken, done, unanswered, stop.signal)))
  for (let round = 1; round <= ROUNDS; round += 1) {
    const before = done.size
    await Promise.race([writers, until('creations go on', () => done.size >= before + BETWEEN_ROUNDS)])
    await fail()
  }
  stop.abort()
  await writers

  const tasks = await rowsOf<{ id: string; title: string }>(database, `select id, title from tasks where owner_id = '${body.user.id}'`)
  t.equal(tasks.length, done.size, `${done.size} keys, ${unanswered.count} requests that had to be repeated: one task of each`)
  t.same(new Map(tasks.map(({ id, title }) => [title, id])), done, 'that which the answer names')
  t.ok(unanswered.count > 0, 'some requests had to be repeated')
}

t.test('creations under keys', async (t) => {
  const { url } = await startDurablePostgres(t)
  const PORT = String(await freePort())
  const start = () => startInstance(t, url, { PORT, SHUTDOWN_GRACE_MS: '0' })
  let server = await start()

  await t.test('while every connection to the database is cut again and again: each happens once', async (t) => {
    await expectOnce(t, server.url, url, async () => {
      await rowsOf(url, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'docket'`)
    })
  })

  await t.test('while the server is killed again and again: each happens once', async (t) => {
    await expectOnce(t, server.url, url, async () => {
      t.equal(await server.end('SIGKILL'), null)
      server = await start()
    })
  })

  t.equal(await server.end('SIGTERM'), 0)
})
