import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { openDatabase } from '../../src/database/client.ts'
import { createDatabase, EMBEDDED, PASSWORD, type Person, startApp, type TestApp, testConfig } from '../support/app.ts'

t.test('instances whose lines to the database break', async (t) => {
  const database = await createDatabase(t)
  if (database === undefined) {
    const { context } = await startApp(t)
    t.equal(context.notifications.isCurrent(), EMBEDDED, 'the embedded database is in the same process, with no line in between')
    return
  }
  const a = await startApp(t, {}, database)
  const line = await startLine(t, database)
  const b = await startApp(t, { DATABASE_LISTEN_URL: line.url }, database)
  const ada = await a.register()
  await current(a)

  for (const [which, other] of [
    ['another', async () => a],
    [
      'another that has just reconnected',
      async () => {
        await terminateListeners(a, true)
        await current(a)
        return a
      },
    ],
    ['another that has just started', () => startApp(t, {}, database)],
  ] as const) {
    await t.test(`logout on ${which}: 401 on the one that has lost its listener and does not know it`, async (t) => {
      let trusting = false
      while (!trusting) {
        const session = await logIn(a, ada)
        await current(b)
        await b.as(session)('getMe', { expect: 200 })
        line.cut()
        await terminateListeners(a, false)
        const c = await other()
        trusting = b.context.notifications.isCurrent()
        await c.as(session)('logout', { expect: 204 })
        t.equal((await b.as(session)('getMe')).status, 401)
      }
    })
  }

  await t.test('logout: a stream on the one that has lost its listener tells nothing that comes after', async (t) => {
    await current(b)
    const session = await logIn(a, ada)
    const response = await fetch(`${b.url}/api/v1/events`, { headers: { Authorization: `Bearer ${session.accessToken}` } })
    t.equal(response.status, 200)
    let told = ''
    const reading = (async () => {
      for await (const chunk of response.body ?? []) told += Buffer.from(chunk)
    })()
    line.cut()
    await terminateListeners(a, false)
    await a.as(session)('logout', { expect: 204 })
    await a.as(ada)('createTask', { body: { title: 'A secret' }, expect: 201 })
    await reading
    t.notMatch(told, 'A secret')
  })

  await t.test('it finds out by itself, and listens again', async (t) => {
    await current(b)
    const session = await logIn(a, ada)
    await b.as(session)('getMe', { expect: 200 })
    await a.as(session)('logout', { expect: 204 })
    t.equal((await b.as(session)('getMe')).status, 401)
  })

  await t.test('logout: 401 also where a look into the database was under way', async (t) => {
    const slow = await startLine(t, database)
    const c = await startApp(t, { DATABASE_LISTEN_URL: database }, slow.url)
    await current(c)
    await a.context.notifications.settle()
    // So that it is the look that is kept back, and not the connection for it.
    await c.as(await logIn(a, ada))('getMe', { expect: 200 })
    const session = await logIn(a, ada)
    slow.hold()
    const underWay = c.as(session)('getMe')
    while (!slow.holds()) await setImmediate()
    await a.as(session)('logout', { expect: 204 })
    slow.release()
    t.equal((await underWay).status, 200, 'it had begun before')
    t.equal((await c.as(session)('getMe')).status, 401)
  })

  await t.test('one that is closed while it still connects leaves nothing behind', async (t) => {
    const listening = () =>
      sql`select from pg_stat_activity where application_name = 'docket-listener' and datname = current_database()`.execute(a.context.db)
    await current(b)
    const before = await listening()
    for (let time = 0; time < 5; time++) {
      const { close } = await openDatabase(testConfig(database).database, pino({ level: 'silent' }))
      await close()
    }
    t.equal((await listening()).rows.length, before.rows.length)
  })

  /** @param all or only those at the other end of the line */
  async function terminateListeners({ context: { db } }: TestApp, all: boolean): Promise<void> {
    await sql`
      select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where application_name = 'docket-listener' and datname = current_database() and (${all} or client_port in (${sql.join(line.ports())}))`.execute(
      db,
    )
  }
})

async function logIn({ as }: TestApp, { username }: Person) {
  return (await as()('login', { body: { username, password: PASSWORD }, expect: 200 })).body
}

/** Resolves when the instance trusts what it remembers. */
async function current({ context: { notifications } }: TestApp): Promise<void> {
  while (!notifications.isCurrent()) await setImmediate()
}

/** A way to the database that can be slow, and that can be cut without either end hearing of it, as when a router dies. */
async function startLine(t: Test, database: string) {
  const { hostname, port, username, pathname } = new URL(database)
  const connections = new Set<{ near: Socket; far: Socket; cut: boolean }>()
  const held: [Socket, Buffer][] = []
  let holding = false
  const server = createServer((near) => {
    const connection = { near, far: connect(Number(port), hostname), cut: false }
    const { far } = connection
    connections.add(connection)
    near.on('data', (data) => connection.cut || far.write(data))
    far.on('data', (data) => {
      if (holding) held.push([near, data])
      else if (!connection.cut) near.write(data)
    })
    near.on('error', () => undefined).on('close', () => far.destroy())
    far.on('error', () => undefined).on('close', () => connection.cut || near.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const { near, far } of connections) for (const socket of [near, far]) socket.destroy()
    server.close()
  })
  const address = server.address()
  return {
    url: `postgres://${username}@127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}${pathname}`,
    /** The ports that the database server sees. */
    ports: () => [...connections].map(({ far }) => far.localPort ?? 0),
    /** Silences the present connections; new ones get through. */
    cut() {
      for (const connection of connections) connection.cut = true
    },
    /** Keeps back what the database answers. */
    hold() {
      holding = true
    },
    holds: () => held.length > 0,
    release() {
      holding = false
      for (const [socket, data] of held.splice(0)) socket.write(data)
    },
  }
}
