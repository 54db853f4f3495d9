import pg from 'pg'
import t from 'tap'
import type { Answer, OperationId } from '../../src/contract/types.ts'
import { PASSWORD } from '../support/app.ts'
import { callerOf } from '../support/client.ts'
import { LONGEST_ANSWER, startDurablePostgres, startInstance, storedIn, THOROUGH, until } from './cluster.ts'
import { isUnavailable, Load, type Outcome, succeeded, summaryOf } from './load.ts'

const OF_TASKS: readonly OperationId[] = ['getTask', 'listTasks', 'createTask', 'updateTask', 'deleteTask']
/** Where a list is read, a statement may have to wait for a connection that waits for tasks. */
const OF_OTHERS: readonly OperationId[] = ['getMe', 'register']

const isOf =
  (operations: readonly OperationId[]) =>
  ({ operation }: Outcome) =>
    operations.includes(operation)

t.test('a table that is locked, until every connection waits for it', async (t) => {
  const postgres = await startDurablePostgres(t)
  const server = await startInstance(t, postgres.url)
  const call = callerOf(server.url, undefined, new Map<string, Answer>())
  const ada = { username: 'ada', email: 'ada@example.com', password: PASSWORD }
  await call('register', { body: ada, expect: 201 })
  const load = await Load.start(server.url)
  t.teardown(() => load.stop())
  await load.succeeds()

  const locker = new pg.Client({ connectionString: postgres.url })
  await locker.connect()
  t.teardown(() => locker.end())
  await locker.query('begin')
  await locker.query('lock table tasks in access exclusive mode')
  const lockedAt = performance.now()
  const refused = (times: number) => load.since(lockedAt).filter(isOf(OF_TASKS)).filter(isUnavailable).length >= times
  await until('operations on tasks are refused', () => refused(THOROUGH ? 600 : 100))

  await t.test('login, readiness and liveness go on', async (t) => {
    await call('login', { body: { username: ada.username, password: PASSWORD }, expect: 200 })
    t.equal((await call('getReadiness')).status, 200)
    t.equal((await call('getLiveness')).status, 200)
  })

  const whileLocked = load.since(lockedAt)
  const unlockedAt = performance.now()
  await locker.query('rollback')
  await load.succeeds()
  const recovery = performance.now() - unlockedAt
  await load.stop()

  t.same(
    load.outcomes.filter((outcome) => !succeeded(outcome) && !isUnavailable(outcome)),
    [],
    'a success or 503 with Retry-After',
  )
  t.same(whileLocked.filter(isOf(OF_TASKS)).filter(succeeded), [], 'nothing on tasks succeeds')
  t.same(whileLocked.filter(isOf(OF_OTHERS)).filter(isUnavailable), [], 'who somebody is can be asked for all the time')
  t.ok(whileLocked.filter(isOf(OF_OTHERS)).length > 5)
  const longest = Math.max(...load.outcomes.map(({ milliseconds }) => milliseconds))
  t.ok(longest < LONGEST_ANSWER, `the longest answer took ${Math.round(longest)} ms`)
  t.same(load.ledger.lost(await storedIn(postgres.url)), [], 'nothing acknowledged is lost')
  t.comment(`tasks, locked: ${summaryOf(whileLocked.filter(isOf(OF_TASKS)))}; lists: ${summaryOf(whileLocked.filter(isOf(['listLists'])))}`)
  t.comment(`others: ${summaryOf(whileLocked.filter(isOf(OF_OTHERS)))}; recovery ${Math.round(recovery)} ms`)
})
