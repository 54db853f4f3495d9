import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { openDatabase } from '../../src/database/client.ts'
import { readEvents } from '../changes/reader.ts'
import { everythingOf, Replica } from '../changes/replica.ts'
import { rowsOf, until } from '../faults/cluster.ts'
import { EMBEDDED, PASSWORD, type Person, type TestApp } from '../support/app.ts'
import { callerOf } from '../support/client.ts'
import { databaseUrl, execute } from '../support/postgres.ts'
import { BARE_ENVIRONMENT, type ServerProcess, startServer, temporaryFolder } from '../support/process.ts'
import { LOCAL, startReceiver, verify } from '../webhooks/receivers.ts'

const COMMAND = path.resolve(import.meta.dirname, '../../src/commands/move-to-server.ts')
const OTHER_SECRET = 'q9Wf3kTz7LxV1mPbR8sYcD2gH5jN6uEa'
const CHECK = 'pg_advisory_xact_lock(42)::text is not null'

const start = (environment: Record<string, string>): ChildProcess =>
  spawn(process.execPath, [COMMAND], { env: { ...BARE_ENVIRONMENT, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] })

/** The command as a process of its own: what it says and how it ends. */
async function move(environment: Record<string, string>) {
  const child = start(environment)
  const [output, errors] = await Promise.all([text(child.stdout as never), text(child.stderr as never), once(child, 'close')])
  return { code: child.exitCode, output, errors }
}

/** An empty database of a role that may do nothing but own it. */
async function createTarget(t: Test, server: string, name: string): Promise<string> {
  const role = `${name}_${process.pid}`
  await execute(server, `create role ${role} login`)
  await execute(server, `create database ${role} owner ${role}`)
  t.teardown(async () => {
    await execute(server, `drop database ${role}`)
    await execute(server, `drop role ${role}`)
  })
  const url = new URL(databaseUrl(server, role))
  url.username = role
  return url.href
}

const callers =
  ({ url }: ServerProcess): TestApp['as'] =>
  (person) =>
    callerOf(url, person?.accessToken, new Map())

/** Something in every table that a user can fill. */
async function fill(server: ServerProcess, receiverUrl: string) {
  const as = callers(server)
  const register = async (username: string): Promise<Person> => {
    const { body } = await as()('register', { body: { username, email: `${username}@example.com`, password: PASSWORD }, expect: 201 })
    return { ...body, id: body.user.id, username, email: body.user.email }
  }
  const ada = await register('ada')
  await register('eve')
  const webhook = { url: receiverUrl, description: 'Ünïcode, "quotes", \\ and {braces}', events: ['task.created' as const] }
  const { secret } = (await as(ada)('createWebhook', { body: webhook, expect: 201 })).body
  const { body: list } = await as(ada)('createList', { body: { title: 'Groceries\n\t"NULL"' }, expect: 201 })
  const milk = { title: 'Milch, {"käse"}', categories: ['a,b', '"c"', 'NULL', '\\'], dueDate: '2099-02-01', priority: 'high' as const }
  const { body: task } = await as(ada)('createListTask', { params: { listId: list.id }, body: milk, expect: 201 })
  await as(ada)('createReminder', { params: { taskId: task.id }, body: { minutesBefore: 30 }, expect: 201 })
  const call = { body: { title: 'Call' }, headers: { 'Idempotency-Key': 'call' }, expect: 201 as const }
  const { body: called } = await as(ada)('createTask', call)
  const token = { name: 'Calendar', scopes: ['tasks:read' as const], currentPassword: PASSWORD }
  const apiToken = (await as(ada)('createApiToken', { body: token, expect: 201 })).body.token
  await as()('login', { body: { username: 'eve', password: 'wrong password' }, expect: 401 })
  const replica = new Replica()
  await replica.catchUp(as, ada)
  await as(ada)('createTask', { body: { title: 'Later' }, expect: 201 })
  return { ada, secret, task, call, called, apiToken, replica, seen: await everythingOf(as, ada) }
}

async function executeEmbedded(directory: string, statement: string): Promise<void> {
  const { executeSql, close } = await openDatabase({ kind: 'embedded', directory }, pino({ level: 'silent' }))
  await executeSql(statement).finally(close)
}

/** More rows than are moved at a time. */
const MANY_ROWS = "insert into audit_events (id, occurred_at, action) select gen_random_uuid(), now(), 'login.failed' from generate_series(1, 1200)"

t.test('move-to-server', { skip: EMBEDDED && 'there is no server to move to' }, async (t) => {
  const server = String(process.env['DOCKET_TEST_SERVER'])
  const DATA_DIR = temporaryFolder(t)
  const receiver = await startReceiver(t)
  const embedded = await startServer(t, { DATA_DIR, JOBS: 'off', ...LOCAL })
  const { ada, secret, task, call, called, apiToken, replica, seen } = await fill(embedded, receiver.url)
  const DATABASE_URL = await createTarget(t, server, 'mover')
  const tables = async () =>
    (
      await rowsOf<{ name: string }>(
        DATABASE_URL,
        "select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
      )
    ).map(({ name }) => name)

  await t.test('refuses what cannot be moved, in a sentence, before it touches the server', async (t) => {
    const inUse = await move({ DATA_DIR, DATABASE_URL })
    t.same({ code: inUse.code, output: inUse.output }, { code: 1, output: '' })
    t.match(inUse.errors, /^Another process is using the embedded database in .*\n$/)
    t.equal(await embedded.end('SIGTERM'), 0)
    const empty = temporaryFolder(t)
    for (const [environment, message] of [
      [{ DATA_DIR: empty, DATABASE_URL }, /^There is no embedded database in .*\n$/],
      [{ DATA_DIR }, /^Set DATABASE_URL to the server .*\n$/],
      [{ DATA_DIR, DATABASE_URL: 'mysql://x' }, /DATABASE_URL must be a URL like postgres:/],
    ] as const) {
      const { code, output, errors } = await move(environment)
      t.same({ code, output }, { code: 1, output: '' }, String(message))
      t.match(errors, message)
    }
    t.same(readdirSync(empty), [])
    t.same(await tables(), [])
    await executeEmbedded(DATA_DIR, "update kysely_migration set name = '3' || name")
    const newer = await move({ DATA_DIR, DATABASE_URL })
    t.same({ code: newer.code, output: newer.output }, { code: 1, output: '' })
    t.match(newer.errors, /^The embedded database has the schema of another version of Docket /)
    await executeEmbedded(DATA_DIR, `update kysely_migration set name = substr(name, 2); ${MANY_ROWS}`)
    const otherKeys = await move({ DATA_DIR, DATABASE_URL, AUTH_SECRET: OTHER_SECRET })
    t.same({ code: otherKeys.code, output: otherKeys.output }, { code: 1, output: '' })
    t.match(otherKeys.errors, /^AUTH_SECRET, or AUTH_KEYS, is not as it was for the embedded database\..*\n$/)
  })

  await t.test('keeps nothing when it is killed halfway, or when something cannot be stored', async (t) => {
    // The tables are there now, and empty. Jobs come first, users before what is theirs.
    await execute(DATABASE_URL, `alter table webhooks add constraint wait check (${CHECK})`)
    const holder = await lockIn(t, DATABASE_URL)
    const child = start({ DATA_DIR, DATABASE_URL })
    const waits =
      "select from pg_stat_activity where application_name = 'docket-migrate' and datname = current_database() and wait_event = 'advisory'"
    await until('it waits', async () => (await rowsOf(DATABASE_URL, waits)).length === 1)
    child.kill('SIGKILL')
    await once(child, 'close')
    await holder.release()
    const gone = "select from pg_stat_activity where application_name = 'docket-migrate' and datname = current_database()"
    await until('its connection is gone', async () => (await rowsOf(DATABASE_URL, gone)).length === 0)
    t.same(await rowsOf(DATABASE_URL, 'select id from users'), [])

    await execute(DATABASE_URL, 'alter table webhooks drop constraint wait, add constraint never check (false)')
    const failed = await move({ DATA_DIR, DATABASE_URL })
    t.same({ code: failed.code, output: failed.output }, { code: 1, output: '' })
    t.match(failed.errors, /violates check constraint "never"/)
    t.same(await rowsOf(DATABASE_URL, 'select id from users'), [])
    const off = await rowsOf(DATABASE_URL, "select from pg_trigger where not tgisinternal and tgenabled = 'D'")
    t.equal(off.length, 0, 'triggers are as they were')
    await execute(DATABASE_URL, 'alter table webhooks drop constraint never')
  })

  await t.test('moves every row, and says how many and what they were', async (t) => {
    const { code, output, errors } = await move({ DATA_DIR, DATABASE_URL })
    t.same({ code, errors }, { code: 0, errors: '' })
    const moved = Object.fromEntries(
      [...output.matchAll(/^(\S+) +(\d+) rows {3}checksum [0-9a-f]{16}$/gm)].map(([, name, rows]) => [name, Number(rows)]),
    )
    const filled = Object.keys(moved).filter((name) => moved[name] !== 0)
    for (const name of [
      'users',
      'sessions',
      'api_tokens',
      'lists',
      'tasks',
      'categories',
      'reminders',
      'changes',
      'webhooks',
      'webhook_deliveries',
      'idempotency_records',
      'audit_events',
      'login_throttles',
      'mail_tokens',
      'signing_key',
      'pgboss.job',
      'pgboss.queue',
    ]) {
      t.ok(filled.includes(name), name)
    }
    t.match(moved, { users: 2, tasks: 3, reminders: 1 })
    t.ok(Number(moved['audit_events']) > 1200)
    t.match(output, `Start Docket with DATABASE_URL, and with AUTH_SECRET set to what is in ${path.join(DATA_DIR, 'secret')}.`)
    t.ok(existsSync(path.join(DATA_DIR, 'postgres')))
  })

  await t.test('refuses a database with rows', async (t) => {
    const { code, output, errors } = await move({ DATA_DIR, DATABASE_URL })
    t.same({ code, output }, { code: 1, output: '' })
    t.match(errors, /^The database of DATABASE_URL is not empty: \S+ has rows\. Name a new database\.\n$/)
  })

  await t.test('on the server, everything goes on as on the embedded database', async (t) => {
    const AUTH_SECRET = readFileSync(path.join(DATA_DIR, 'secret'), 'utf8')
    const moved = await startServer(t, { DATABASE_URL, AUTH_SECRET, ...LOCAL })
    const as = callers(moved)
    t.same(await everythingOf(as, ada), seen, 'the same access token sees the same')
    t.equal((await as({ accessToken: apiToken })('getTask', { params: { taskId: task.id }, expect: 200 })).body.title, task.title)
    await as()('refresh', { body: { refreshToken: ada.refreshToken }, expect: 200 })
    await as()('login', { body: { username: 'eve', password: PASSWORD }, expect: 200 })

    const again = await as(ada)('createTask', call)
    t.equal(again.headers.get('idempotency-replayed'), 'true')
    t.same(again.body, called)

    const reader = await readEvents(moved.url, ada.accessToken, { cursor: String(replica.cursor) })
    const next = async () => {
      for (let event = await reader.next(); ; event = await reader.next()) if (event?.change?.resource === 'task') return event.change
    }
    t.match(await next(), { type: 'task.created', state: { title: 'Later' } }, 'a stream goes on behind its cursor')
    const { body: created } = await as(ada)('createTask', { body: { title: 'After' }, expect: 201 })
    t.match(await next(), { type: 'task.created', id: created.id }, 'and the changes go on behind the last one')
    reader.cut()

    const sent = () => receiver.received.map((request) => JSON.stringify(verify(secret, request)))
    for (const id of [task.id, created.id])
      await until('the webhook is sent what waited, and what came', () => sent().some((event) => event.includes(id)))
    t.equal(await moved.end('SIGTERM'), 0)
  })
})

/** Holds the lock that CHECK waits for. */
async function lockIn(t: Test, url: string): Promise<{ release(): Promise<void> }> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  await client.query('select pg_advisory_lock(42)')
  let open = true
  const release = async () => {
    if (open) await client.end()
    open = false
  }
  t.teardown(release)
  return { release }
}
