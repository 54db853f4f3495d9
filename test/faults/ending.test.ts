import t from 'tap'
import { AUTH_SECRET } from '../support/app.ts'
import { databaseUrl, execute, startPostgres } from '../support/postgres.ts'
import { launchServer, startServer, startWorker } from '../support/process.ts'

t.test('the end of a process', async (t) => {
  const postgres = await startPostgres()
  t.teardown(() => postgres.stop())
  await execute(postgres.url, 'create database docket')
  const environment = { DATABASE_URL: databaseUrl(postgres.url, 'docket'), AUTH_SECRET, SHUTDOWN_GRACE_MS: '0' }

  for (const [what, start] of [
    ['a server', () => startServer(t, environment)],
    ['a server that works no jobs', () => startServer(t, { ...environment, JOBS: 'off' })],
    ['a worker', () => startWorker(t, environment)],
  ] as const) {
    t.test(`${what}: does not wait for a database that says nothing any more`, async (t) => {
      const process = await start()
      postgres.signal('SIGSTOP')
      t.teardown(() => postgres.signal('SIGCONT'))
      t.equal(await process.end('SIGTERM'), 0)
      t.match(process.output(), '"stopped"')
    })
  }

  t.test('comes at once while it starts, by itself: the first process of a container gets no other signals', async (t) => {
    const waiting = Promise.withResolvers<void>()
    const nowhere = { ...environment, DATABASE_URL: 'postgres://nobody@127.0.0.1:9/nothing' }
    const { listens, end } = launchServer(t, nowhere, (output) => output.includes('waiting for the database') && waiting.resolve())
    listens.catch(() => undefined)
    await waiting.promise
    t.equal(await end('SIGTERM'), 0)
  })
})
