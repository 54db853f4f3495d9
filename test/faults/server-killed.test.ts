import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { openDatabase } from '../../src/database/client.ts'
import { freePort } from '../support/postgres.ts'
import { type ServerProcess, startServer, temporaryFolder } from '../support/process.ts'
import { startDurablePostgres, startInstance, storedIn, THOROUGH } from './cluster.ts'
import type { Stored } from './ledger.ts'
import { Load, succeeded, summaryOf } from './load.ts'

const ROUNDS = THOROUGH ? 4 : 2

/**
 * Kills it again and again while it writes, at a different moment each time.
 * @param start starts it, each time on the same port and the same data
 * @param stored reads what there is, while it is not running
 */
async function killRepeatedly(t: Test, start: () => Promise<ServerProcess>, stored: () => Promise<Stored>): Promise<void> {
  let server = await start()
  const load = await Load.start(server.url)
  t.teardown(() => load.stop())
  for (let round = 1; round <= ROUNDS; round += 1) {
    await load.succeeds()
    await sleep(Math.random() * 500)
    t.equal(await server.end('SIGKILL'), null)
    t.same(load.ledger.lost(await stored()), [], `round ${round}: nothing acknowledged is lost, of ${load.ledger.acknowledged} creations`)
    server = await start()
  }
  await load.succeeds()
  await load.stop()
  t.equal(await server.end('SIGTERM'), 0)

  const left = await stored()
  t.same(load.ledger.lost(left), [], 'nothing acknowledged is lost')
  const unanswered = load.outcomes.filter(({ operation, status }) => ['createTask', 'register'].includes(operation) && status === undefined)
  const unacknowledged = load.ledger.unacknowledged(left)
  t.ok(unacknowledged.length <= unanswered.length, `${unacknowledged.length} of ${unanswered.length} creations without an answer are stored`)
  const failed = load.outcomes.filter((outcome) => outcome.status !== undefined && !succeeded(outcome))
  t.same(failed, [], 'who got an answer got a success')
  t.comment(summaryOf(load.outcomes))
}

t.test('a server that is killed while it writes into PostgreSQL', async (t) => {
  const { url } = await startDurablePostgres(t)
  const PORT = String(await freePort())
  await killRepeatedly(
    t,
    () => startInstance(t, url, { PORT, SHUTDOWN_GRACE_MS: '0' }),
    () => storedIn(url),
  )
})

// The short run has test/faults/server-process.test.ts.
t.test('a server that is killed while it writes into the embedded database', { skip: !THOROUGH && 'npm run test:faults' }, async (t) => {
  const directory = temporaryFolder(t)
  const PORT = String(await freePort())
  await killRepeatedly(
    t,
    () => startServer(t, { DATA_DIR: directory, PORT, SHUTDOWN_GRACE_MS: '0' }),
    async () => {
      const { db, close } = await openDatabase({ kind: 'embedded', directory }, pino({ level: 'silent' }))
      const tasks = await db.selectFrom('tasks').select(['id', 'title']).execute()
      const users = await db.selectFrom('users').select('username').execute()
      await close()
      return { tasks: new Map(tasks.map(({ id, title }) => [id, title])), usernames: new Set(users.map(({ username }) => username)) }
    },
  )
})
