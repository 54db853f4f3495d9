import { sql } from 'kysely'
import t from 'tap'
import { createDatabase, EMBEDDED, PASSWORD, startApp } from '../support/app.ts'
import { startInstances } from '../support/instances.ts'
import { readEvents } from './reader.ts'
import { everythingOf, Replica, sorted } from './replica.ts'

t.test('streamEvents', async (t) => {
  const [a, b] = await startInstances(t)
  const { as, register, url } = a
  const createTask = async (person: { accessToken: string }, title = 'x') =>
    (await as(person)('createTask', { body: { title }, expect: 201 })).body.id

  t.test('200: an id at once, then every change that comes, on whichever instance it is made', async (t) => {
    const ada = await register()
    const reader = await readEvents(b.url, ada.accessToken)
    const first = await reader.next()
    t.equal(first?.change, undefined)
    const taskId = await createTask(ada)
    t.match(await reader.next(), { event: 'task.created', change: { id: taskId, resource: 'task', state: { title: 'x' } } })
    t.match(await reader.next(), { event: 'list.updated', change: { state: { openTasks: 1 } } })
    t.match(reader.others, [/^retry: \d+$/])
    reader.cut()
  })

  t.test('200: nothing of anybody else', async (t) => {
    const [ada, eve] = [await register(), await register()]
    const reader = await readEvents(url, ada.accessToken)
    await reader.next()
    await createTask(eve)
    const mine = await createTask(ada)
    t.equal((await reader.next())?.change?.id, mine)
    reader.cut()
  })

  for (const way of ['lastEventId', 'cursor'] as const) {
    t.test(`200: goes on after ${way}, without a gap and without a double`, async (t) => {
      const ada = await register()
      const replica = new Replica()
      await replica.catchUp(as, ada)
      let position = String(replica.cursor)
      for (let round = 0; round < 5; round++) {
        for (let count = 0; count < 3; count++) await createTask(ada)
        const reader = await readEvents(round % 2 === 0 ? url : b.url, ada.accessToken, { [way]: position })
        t.equal((await reader.next())?.id, position, 'where it begins')
        // Of six changes a client takes one more each time before it is cut off.
        for (let count = 0; count <= round; count++) {
          const event = await reader.next()
          if (event?.change === undefined) throw new Error('There is no change.')
          replica.apply(event.change)
          position = event.id
        }
        reader.cut()
      }
      replica.cursor = position
      await replica.catchUp(as, ada)
      t.same(sorted(replica.states), sorted(await everythingOf(as, ada)))
    })
  }

  t.test('200: Last-Event-ID counts more than cursor, as it is newer when a client connects again', async (t) => {
    const ada = await register()
    const { body: begun } = await as(ada)('listChanges', { query: { limit: 1 }, expect: 200 })
    await createTask(ada)
    const { body: later } = await as(ada)('listChanges', { expect: 200 })
    const reader = await readEvents(url, ada.accessToken, { cursor: begun.nextCursor, lastEventId: later.nextCursor })
    await reader.next()
    const taskId = await createTask(ada)
    t.equal((await reader.next())?.change?.id, taskId)
    reader.cut()
  })

  t.test('400 for a Last-Event-ID and 422 for a cursor that is none of mine', async (t) => {
    const [ada, eve] = [await register(), await register()]
    const { body } = await as(eve)('listChanges', { expect: 200 })
    for (const position of [body.nextCursor, 'AAAA', `${body.nextCursor}A`]) {
      const problem = (await as(ada)('streamEvents', { headers: { 'Last-Event-ID': position }, expect: 400 })).body
      t.match(problem, { code: 'MALFORMED_REQUEST', errors: [{ in: 'header', path: '/last-event-id' }] })
      await as(ada)('streamEvents', { query: { cursor: position }, expect: 422 })
    }
  })

  t.test('ends at once with its session, its API token, the rights of its user and its user, on every instance', async (t) => {
    const ada = await register()
    const root = await a.registerAdmin()
    const logIn = async () => (await as()('login', { body: { username: ada.username, password: PASSWORD }, expect: 200 })).body
    const newToken = { name: 'x', scopes: ['tasks:read' as const], currentPassword: PASSWORD }
    const { body: apiToken } = await as(ada)('createApiToken', { body: newToken, expect: 201 })
    const [other, another] = [await logIn(), await logIn()]
    const expectEnd = async (token: string, what: string, end: () => Promise<unknown>) => {
      const reader = await readEvents(b.url, token)
      await reader.next()
      await end()
      t.equal(await reader.next(), undefined, what)
    }
    await expectEnd(other.accessToken, 'logout', () => as(other)('logout', { expect: 204 }))
    await expectEnd(apiToken.token, 'revokeApiToken', () => as(ada)('revokeApiToken', { params: { tokenId: apiToken.id }, expect: 204 }))
    await expectEnd(another.accessToken, 'revokeOtherSessions', () => as(ada)('revokeOtherSessions', { expect: 204 }))
    await expectEnd(ada.accessToken, 'being disabled', () =>
      as(root)('updateUser', { params: { userId: ada.id }, body: { disabled: true }, expect: 200 }),
    )
    const eve = await register()
    await expectEnd(eve.accessToken, 'deleteMe', () => as(eve)('deleteMe', { body: { currentPassword: PASSWORD }, expect: 204 }))
  })

  t.test('another user change does not end it', async (t) => {
    const ada = await register()
    const reader = await readEvents(url, ada.accessToken)
    await reader.next()
    await as(ada)('updateMe', { body: { username: `${ada.username}-2` }, expect: 200 })
    const taskId = await createTask(ada)
    t.equal((await reader.next())?.change?.id, taskId)
    reader.cut()
  })

  t.test('401 or an end at once to a sixth that waited while its session ended', async (t) => {
    const ada = await register()
    const other = (await as()('login', { body: { username: ada.username, password: PASSWORD }, expect: 200 })).body
    const readers = []
    for (let count = 0; count < 5; count++) readers.push(await readEvents(url, ada.accessToken))
    const sixth = readEvents(url, other.accessToken)
    await as(other)('logout', { expect: 204 })
    readers[0]?.cut()
    const reader = await sixth
    while ((await reader.next()) !== undefined) await createTask(ada)
    t.pass('it ends, although changes go on')
    for (const open of readers) open.cut()
  })

  t.test('429 to a sixth stream of a user, until one of the five has ended', async (t) => {
    const [ada, eve] = [await register(), await register()]
    const readers = []
    for (let count = 0; count < 5; count++) readers.push(await readEvents(url, ada.accessToken))
    const refused = await as(ada)('streamEvents', { expect: 429 })
    t.match(refused.headers.get('retry-after'), /^\d+$/)
    const others = await readEvents(url, eve.accessToken)
    others.cut()
    readers[0]?.cut()
    const sixth = await readEvents(url, ada.accessToken)
    t.ok(await sixth.next())
    for (const reader of [...readers, sixth]) reader.cut()
  })
})

t.test('a server that stops ends its streams first, and says when to come back', async (t) => {
  const { app, register, url } = await startApp(t)
  const ada = await register()
  const reader = await readEvents(url, ada.accessToken)
  await reader.next()
  const closed = app.close()
  t.equal(await reader.next(), undefined)
  t.match(reader.others, [/^retry: \d+$/, /^retry: \d+$/])
  await closed
})

t.test('without a line for messages, polling brings changes, also to those who have one', { skip: EMBEDDED && 'there is no line' }, async (t) => {
  const database = await createDatabase(t)
  const a = await startApp(t, {}, database)
  const b = await startApp(t, { DATABASE_LISTEN_URL: 'postgres://nobody@127.0.0.1:9/nothing' }, database)
  const ada = await a.register()
  for (const [writer, readFrom] of [
    [a, b],
    [b, b],
    [b, a],
  ] as const) {
    const reader = await readEvents(readFrom.url, ada.accessToken)
    await reader.next()
    const { body } = await writer.as(ada)('createTask', { body: { title: 'x' }, expect: 201 })
    t.equal((await reader.next())?.change?.id, body.id)
    reader.cut()
  }
})

t.test('a stream survives a database that restarts', { skip: EMBEDDED && 'it is in the same process' }, async (t) => {
  const { as, context, register, url } = await startApp(t)
  const ada = await register()
  const reader = await readEvents(url, ada.accessToken)
  await reader.next()
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`.execute(
    context.patientDb,
  )
  const createTask = () => as(ada)('createTask', { body: { title: 'x' } })
  let created = await createTask()
  while (created.status !== 201) created = await createTask()
  t.equal((await reader.next())?.change?.id, 'id' in created.body ? created.body.id : undefined)
  reader.cut()
})
