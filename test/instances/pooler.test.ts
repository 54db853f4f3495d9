import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import { pino } from 'pino'
import t from 'tap'
import { openDatabase } from '../../src/database/client.ts'
import { findTask, updateTask } from '../../src/tasks/queries.ts'
import { readEvents } from '../changes/reader.ts'
import { changesOf, dueReminder } from '../reminders/due.ts'
import { createDatabase, startApp, testConfig } from '../support/app.ts'
import { until } from '../support/jobs.ts'
import { startMailbox } from '../support/mailbox.ts'
import { startPooler } from '../support/pooler.ts'
import { execute } from '../support/postgres.ts'
import { createWebhook, LOCAL, startReceiver } from '../webhooks/receivers.ts'

const ID = '00000000-0000-7000-8000-000000000000'

/** How many connections to the server test/support/pooler.ts allows. */
const CONNECTIONS = 4

/** Behind a pooler a write could wait for the lock of another, on the same connection. */
const NO_WRITERS = 'writes without pipelines, because a lock_timeout was passed over'

t.test('what the connections of pipelines begin with', async (t) => {
  const database = await createDatabase(t)
  if (database === undefined) return t.plan(0, 'an embedded database has no connections')
  for (const [what, line, logged] of [
    ['options and a lock_timeout are passed over by PgBouncer with docs/pgbouncer.ini', ', options', [NO_WRITERS]],
    ['options are left out where a pooler refuses them', '', [NO_WRITERS, 'unsupported startup parameter: options']],
  ] as const)
    await t.test(what, async (t) => {
      const url = await startPooler(t, database, (configuration) => configuration.replace(', options', line))
      if (url === undefined) return
      const lines: { msg: string; error?: string }[] = []
      const logger = pino({ level: 'warn' }, { write: (text: string) => void lines.push(JSON.parse(text)) })
      const { database: settings } = testConfig(database, { DATABASE_URL: url, DATABASE_LISTEN_URL: database, DATABASE_PIPELINES: '1' })
      const connection = await openDatabase(settings, logger)
      t.teardown(() => connection.close())
      await until(async () => {
        // PgBouncer 1.18 loses their names.
        await Promise.allSettled([findTask(connection.db, ID, ID), updateTask(connection.db, ID, ID, { title: 'Nobody' }, undefined)])
        return connection.connections().some(({ name, open }) => name === 'pipelines' && open === 1) && lines.some(({ msg }) => msg === NO_WRITERS)
      })
      t.same(new Set(lines.map(({ msg, error }) => error ?? msg)), new Set(logged))
      t.match(
        connection.connections().find(({ name }) => name === 'writers'),
        { open: 0 },
      )
    })
})

t.test('two instances behind PgBouncer in transaction mode', async (t) => {
  const database = await createDatabase(t)
  if (database === undefined) return t.plan(0, 'an embedded database has no connections')
  const url = await startPooler(t, database)
  if (url === undefined) return
  // Far from what the instances need, so that a session in the server's own time zone shows.
  await execute(database, `alter database ${new URL(database).pathname.slice(1)} set timezone = 'Asia/Kolkata'`)
  const mailbox = await startMailbox(t)
  const start = () =>
    startApp(
      t,
      {
        ...mailbox.settings,
        ...LOCAL,
        DATABASE_URL: url,
        DATABASE_LISTEN_URL: database,
        DATABASE_PREPARED_STATEMENTS: 'false',
        MIGRATE_AT_START: 'true',
      },
      database,
    )
  const [a, b] = await Promise.all([start(), start()])
  for (const { context } of [a, b]) while (!context.notifications.isCurrent()) await setImmediate()
  const apps = [a, b] as const
  const { db, reservedDb, patientDb } = a.context
  const ada = await a.register()

  await t.test('sessions are in UTC, whichever connection they get', async (t) => {
    const zones = await Promise.all(
      [db, reservedDb, patientDb].flatMap((each) =>
        Array.from({ length: CONNECTIONS }, async () => {
          const { rows } = await sql<{ zone: string }>`select current_setting('TimeZone') as zone, pg_sleep(0.01)`.execute(each)
          return rows[0]?.zone
        }),
      ),
    )
    t.same([...new Set(zones)], ['UTC'])
    const dueDate = '2026-12-24T23:30:00Z'
    const { body: task } = await a.as(ada)('createTask', { body: { title: 'Late', dueDate }, expect: 201 })
    t.equal(Date.parse(String(task.dueAt)), Date.parse(dueDate))
    t.same((await b.as(ada)('getTask', { params: { taskId: task.id }, expect: 200 })).body, task)
  })

  await t.test('many at once share few connections: writes, pages, search, and what is refused', async (t) => {
    const grace = await b.register()
    const titles = Array.from({ length: 60 }, (_, index) => `Nocturne ${String(index).padStart(2, '0')}`)
    const tasks = await Promise.all(
      titles.map(async (title, index) => (await (apps[index % 2] ?? a).as(grace)('createTask', { body: { title }, expect: 201 })).body),
    )
    await Promise.all(
      tasks.map(async ({ id: taskId, title }, index) => {
        const { body } = await (apps[index % 2] ?? a).as(grace)('getTask', { params: { taskId }, expect: 200 })
        t.equal(body.title, title)
      }),
    )
    const paged: string[] = []
    for (let cursor: string | undefined, turn = 0; turn === 0 || cursor !== undefined; turn++) {
      const query = { limit: 20, sort: 'title' as const, ...(cursor !== undefined && { cursor }) }
      const { body } = await (apps[turn % 2] ?? a).as(grace)('listTasks', { query, expect: 200 })
      paged.push(...body.items.map(({ title }) => title))
      cursor = body.nextCursor ?? undefined
    }
    t.same(paged, titles)
    t.equal((await a.as(grace)('listTasks', { query: { q: 'nocturne 07' }, expect: 200 })).body.items.length, 1)

    const [{ id: taskId } = { id: '' }] = tasks
    const { headers } = await a.as(grace)('getTask', { params: { taskId }, expect: 200 })
    const change = () =>
      b.as(grace)('updateTask', { params: { taskId }, body: { title: 'Changed' }, headers: { 'If-Match': String(headers.get('etag')) } })
    t.same((await Promise.all([change(), change(), change()])).map(({ status }) => status).sort(), [200, 412, 412])
    await b.as(grace)('deleteTask', { params: { taskId }, expect: 204 })
    await a.as(grace)('getTask', { params: { taskId }, expect: 404 })
    // Other tests have theirs on the same server.
    const { rows } = await sql<{ count: number }>`
      select count(*) from pg_stat_activity where datname = current_database() and application_name in ('docket', 'docket-jobs')`.execute(db)
    t.ok(Number(rows[0]?.count) <= CONNECTIONS)
  })

  await t.test('a key is carried out once, whoever comes first', async (t) => {
    for (let round = 0; round < 5; round++) {
      const key = randomUUID()
      const create = (app: typeof a) => app.as(ada)('createTask', { body: { title: key }, headers: { 'Idempotency-Key': key } })
      const answers = await Promise.all([create(a), create(b), create(a), create(b)])
      t.ok(answers.every(({ status }) => status === 201 || status === 409))
      const last = await create(b)
      t.same([last.status, last.headers.get('idempotency-replayed')], [201, 'true'])
      t.equal((await db.selectFrom('tasks').select('id').where('title', '=', key).execute()).length, 1)
    }
  })

  await t.test('logout, and what streams follow, go past it', async (t) => {
    const grace = await a.register()
    const reader = await readEvents(b.url, grace.accessToken)
    await reader.next()
    const { body: task } = await a.as(grace)('createTask', { body: { title: 'Seen' }, expect: 201 })
    t.equal((await reader.next())?.change?.id, task.id)
    for (const app of apps) await app.as(grace)('getMe', { expect: 200 })
    await a.as(grace)('logout', { expect: 204 })
    t.equal((await b.as(grace)('getMe')).status, 401)
    while ((await reader.next()) !== undefined);
  })

  await t.test('mails, reminders and webhooks are worked, each once', async (t) => {
    const receiver = await startReceiver(t)
    const grace = await a.register()
    await createWebhook(a, grace, receiver.url, { events: ['reminder.fired'] })
    const reminders = [await dueReminder(a, grace), await dueReminder(b, grace)].map(({ reminderId }) => reminderId)
    await until(() => receiver.received.length >= 2)
    await until(async () => {
      const { rows } = await sql`select from pgboss.job where state in ('created', 'retry', 'active') and name not like '\\_\\_%'`.execute(db)
      return rows.length === 0
    })
    t.same(
      (await changesOf(a.context, grace)).flatMap(({ type, resource_id }) => (type === 'reminder.fired' ? [resource_id] : [])).sort(),
      reminders.sort(),
    )
    t.equal(receiver.received.length, 2)
    t.equal(mailbox.subjectsTo(grace.email).length, 3, 'one after the registration, and one for each reminder')
  })

  await t.test('a statement that takes too long is given up, and does not run on', async (t) => {
    const sleepOn = db.transaction().execute(async (trx) => {
      // So that nothing ends it but the server, which notices that nobody waits for it.
      await sql`set local statement_timeout = 0`.execute(trx)
      await sql`select pg_sleep(600)`.execute(trx)
    })
    await t.rejects(sleepOn)
    await until(
      async () => (await sql`select from pg_stat_activity where query = 'select pg_sleep(600)' and state = 'active'`.execute(db)).rows.length === 0,
    )
    const limits = sql<{ name: string; setting: string }>`
      select name, setting from pg_settings where name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout') order by name`
    t.same(
      (await limits.execute(db)).rows.map(({ setting }) => setting),
      ['5000', '1300', '25000'],
    )
  })

  await t.test('no statement is left behind on a connection', async (t) => {
    const counts = await Promise.all(
      Array.from({ length: CONNECTIONS * 2 }, async () => {
        const { rows } = await sql<{ count: number }>`select count(*), pg_sleep(0.02) from pg_prepared_statements`.execute(db)
        return Number(rows[0]?.count)
      }),
    )
    t.same(new Set(counts), new Set([0]))
  })
})
