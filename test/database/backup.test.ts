import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { everythingOf, Replica, sorted } from '../changes/replica.ts'
import { AUTH_SECRET } from '../faults/cluster.ts'
import { EMBEDDED, PASSWORD, type TestApp } from '../support/app.ts'
import { callerOf } from '../support/client.ts'
import { databaseUrl, execute, startPostgres } from '../support/postgres.ts'
import { type ServerProcess, startServer, temporaryFolder } from '../support/process.ts'

/** Where Debian keeps the programs of each version; pg_dump must not be older than its server. */
const DEBIAN = '/usr/lib/postgresql'
const PROGRAMS =
  process.env['POSTGRES_PROGRAMS'] ??
  (existsSync(DEBIAN) ? readdirSync(DEBIAN) : [])
    .toSorted((a, b) => Number(b) - Number(a))
    .map((version) => path.join(DEBIAN, version, 'bin'))
    .find((folder) => existsSync(path.join(folder, 'postgres')) && existsSync(path.join(folder, 'pg_dump')))

const callers =
  ({ url }: ServerProcess): TestApp['as'] =>
  (person) =>
    callerOf(url, person?.accessToken, new Map())

if (PROGRAMS === undefined && process.env['DOCKET_POSTGRES_PROGRAMS'] === 'required') throw new Error('There is no PostgreSQL with pg_dump.')
const skip =
  PROGRAMS === undefined ? 'there is no PostgreSQL with pg_dump: install it, or name its folder in POSTGRES_PROGRAMS' : EMBEDDED && 'no server'

t.test('a backup by pg_dump, as docs/operations.md says, on the PostgreSQL of the system', { skip }, async (t) => {
  const programs = String(PROGRAMS)
  const server = await startPostgres({ programs })
  t.teardown(() => server.stop())
  // Who owns the database, and may do nothing else.
  await execute(server.url, 'create role owner login')
  const create = async (name: string) => {
    await execute(server.url, `create database ${name} owner owner`)
    const url = new URL(databaseUrl(server.url, name))
    url.username = 'owner'
    return url.href
  }
  const start = (t: Test, url: string) => startServer(t, { DATABASE_URL: url, AUTH_SECRET, JOBS: 'off' })

  await t.test('restored into a new database it has everything, tokens are good, and clients are told to read the changes again', async (t) => {
    const source = await create('source')
    const before = await start(t, source)
    const as = callers(before)
    const { body } = await as()('register', { body: { username: 'ada', email: 'ada@example.com', password: PASSWORD }, expect: 201 })
    const ada = { ...body, id: body.user.id, username: 'ada', email: body.user.email }
    const { body: list } = await as(ada)('createList', { body: { title: 'Groceries' }, expect: 201 })
    const milk = { title: 'Milk', categories: ['dairy'], dueDate: '2099-02-01' }
    const { body: task } = await as(ada)('createListTask', { params: { listId: list.id }, body: milk, expect: 201 })
    await as(ada)('createReminder', { params: { taskId: task.id }, body: { minutesBefore: 30 }, expect: 201 })
    const token = { name: 'Calendar', scopes: ['tasks:read' as const], currentPassword: PASSWORD }
    const { token: apiToken } = (await as(ada)('createApiToken', { body: token, expect: 201 })).body
    const replica = new Replica()
    await replica.catchUp(as, ada)
    const seen = await everythingOf(as, ada)

    // While the server runs.
    const file = path.join(temporaryFolder(t), 'docket.dump')
    execFileSync(path.join(programs, 'pg_dump'), ['--format=custom', '--no-owner', `--file=${file}`, source])
    await as(ada)('createTask', { body: { title: 'Too late' }, expect: 201 })
    const ahead = new Replica()
    await ahead.catchUp(as, ada)
    const restored = await create('restored')
    execFileSync(path.join(programs, 'pg_restore'), ['--no-owner', '--single-transaction', '--exit-on-error', `--dbname=${restored}`, file])

    execFileSync(path.join(programs, 'psql'), ['--quiet', '--set=ON_ERROR_STOP=1', '--file=docs/after-restore.sql', restored])

    const after = await start(t, restored)
    const asThen = callers(after)
    t.same(await everythingOf(asThen, ada), seen)
    t.equal((await asThen({ accessToken: apiToken })('getTask', { params: { taskId: task.id }, expect: 200 })).body.title, 'Milk')
    await asThen()('refresh', { body: { refreshToken: ada.refreshToken }, expect: 200 })
    await asThen()('login', { body: { username: 'ada', password: PASSWORD }, expect: 200 })
    await asThen(ada)('updateTask', { params: { taskId: task.id }, body: { completed: true }, expect: 200 })

    for (const { cursor } of [replica, ahead]) {
      const { status } = await asThen(ada)('listChanges', { query: { cursor: String(cursor) } })
      t.equal(status, 410, 'what was read before may be of what is lost')
    }
    const again = new Replica()
    await again.catchUp(asThen, ada)
    t.same(sorted(again.states), sorted(await everythingOf(asThen, ada)), 'triggers and the log of changes go on')
    await asThen(ada)('updateTask', { params: { taskId: task.id }, body: { title: 'Oat milk' }, expect: 200 })
    t.equal((await again.catchUp(asThen, ada)).length, 1)
    t.same(await Promise.all([before, after].map((instance) => instance.end('SIGTERM'))), [0, 0])
  })
})
