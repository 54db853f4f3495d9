import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Answer } from '../../src/contract/types.ts'
import { callerOf } from '../support/client.ts'
import { execute, type PostgresServer } from '../support/postgres.ts'
import { startBlackHole } from './black-hole.ts'
import { LONGEST_ANSWER, startDurablePostgres, startInstance, storedIn, THOROUGH, until } from './cluster.ts'
import { isUnavailable, Load, succeeded, summaryOf } from './load.ts'

/** Milliseconds. */
const LONGEST_RECOVERY = 5000
const DURATION = THOROUGH ? 6000 : 1000
/** Longer than any time limit. */
const SILENCE = THOROUGH ? 10_000 : 2500

type Fault = Readonly<{
  name: string
  /** Whether nothing at all can be read meanwhile. */
  away: boolean
  duration: number
  /** Brings it about; resolves with what ends it. */
  begin: (postgres: PostgresServer, hole: { swallow(): void; restore(): void }) => Promise<() => Promise<void> | void>
}>

const FAULTS: readonly Fault[] = [
  {
    name: 'killed',
    away: true,
    duration: DURATION,
    async begin(postgres) {
      await postgres.kill()
      return () => postgres.start()
    },
  },
  {
    name: 'stopped by SIGSTOP',
    away: true,
    duration: SILENCE,
    async begin(postgres) {
      postgres.signal('SIGSTOP')
      return () => postgres.signal('SIGCONT')
    },
  },
  {
    name: 'behind a black hole',
    away: true,
    duration: SILENCE,
    async begin(_, hole) {
      hole.swallow()
      return () => hole.restore()
    },
  },
  {
    name: 'ending all connections again and again',
    away: false,
    duration: DURATION,
    async begin({ url }) {
      const stop = new AbortController()
      const terminate = async () => {
        while (!stop.signal.aborted) {
          await execute(
            url,
            `select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and application_name like 'docket%'`,
          )
          await sleep(200)
        }
      }
      const running = terminate()
      return () => {
        stop.abort()
        return running
      }
    },
  },
  {
    name: 'read-only, as after a failover',
    away: false,
    duration: DURATION,
    async begin({ url }) {
      const setReadOnly = async (value: string) => {
        await execute(url, `alter system set default_transaction_read_only = ${value}`)
        await execute(url, 'select pg_reload_conf()')
      }
      await setReadOnly('on')
      return () => setReadOnly('off')
    },
  },
]

t.test('a database with faults under load', async (t) => {
  const postgres = await startDurablePostgres(t)
  const hole = await startBlackHole(t, postgres.url)
  const server = await startInstance(t, hole.url)
  const call = callerOf(server.url, undefined, new Map<string, Answer>())

  for (const fault of FAULTS) {
    await t.test(fault.name, async (t: Test) => {
      const load = await Load.start(server.url)
      t.teardown(() => load.stop())
      await load.succeeds()

      const beganAt = performance.now()
      const end = await fault.begin(postgres, hole)
      const awayAt = performance.now()
      if (fault.away) {
        await until('not ready', async () => (await call('getReadiness')).status === 503)
        t.equal((await call('getLiveness')).status, 200)
      }
      await sleep(fault.duration)
      t.equal((await call('getLiveness')).status, 200)
      if (fault.away) t.equal((await call('getReadiness')).status, 503)

      const answeredAway = load.since(awayAt)
      await end()
      const endedAt = performance.now()
      await load.succeeds()
      const recovery = performance.now() - endedAt
      await until('ready', async () => (await call('getReadiness')).status === 200)
      await load.stop()

      t.ok(server.running(), 'the process lives')
      t.same([...new Set(load.outcomes.filter((outcome) => !succeeded(outcome) && !isUnavailable(outcome)))], [], 'a success or 503 with Retry-After')
      t.ok(load.since(beganAt).some(isUnavailable), 'the fault was felt')
      if (fault.away)
        t.same(
          answeredAway.filter((outcome) => succeeded(outcome)),
          [],
          'nothing succeeds without it',
        )
      const longest = Math.max(...load.outcomes.map(({ milliseconds }) => milliseconds))
      t.ok(longest < LONGEST_ANSWER, `the longest answer took ${Math.round(longest)} ms`)
      t.ok(recovery < LONGEST_RECOVERY, `all operations succeed ${Math.round(recovery)} ms after it is back`)

      const stored = await storedIn(postgres.url)
      t.same(load.ledger.lost(stored), [], 'nothing acknowledged is lost')
      const unacknowledged = load.ledger.unacknowledged(stored)
      const unanswered = load.outcomes.filter((outcome) => ['createTask', 'register'].includes(outcome.operation) && outcome.status === 503)
      t.ok(unacknowledged.length <= unanswered.length, `${unacknowledged.length} of ${unanswered.length} creations of unknown outcome are stored`)
      t.comment(
        `${fault.name}: ${summaryOf(load.since(beganAt))}; ${load.ledger.acknowledged} creations acknowledged; recovery ${Math.round(recovery)} ms`,
      )
    })
  }
})
