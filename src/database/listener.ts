import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from 'pino'
import { NOTIFICATION_CHANNEL, type Notifications } from './notifications.ts'

const HEARTBEAT_MILLISECONDS = 1000
/** How long an instance trusts its caches after its last returned heartbeat, and so the longest that `settle` can take. */
const LEASE_MILLISECONDS = 3000
/** Held as a shared advisory lock by every listening connection, so that instances can be counted. */
const LISTENER_LOCK = 1_145_258_836

/** Messages of this page start with one of these; all others belong to subscribers. */
const HEARTBEAT = 'heartbeat:'
const BARRIER = 'barrier:'
const PASSED = 'passed:'

/**
 * LISTEN over a connection of its own, which is made again whenever it breaks.
 *
 * Heartbeats go the same way as all messages, and PostgreSQL delivers in the order of commits: an instance that reads its own heartbeat has read
 * everything that was committed before it was sent. `settle` sends a barrier, counts the answers of all listeners, and otherwise waits until the
 * lease of a silent one has run out. Guarded by test/auth/two-instances.test.ts.
 */
export function listen(connection: pg.ClientConfig, logger: Logger): Notifications {
  const instance = randomUUID()
  const subscribers: ((message: string | undefined) => void)[] = []
  const barriers = new Map<string, () => void>()
  let client: pg.Client | undefined
  let currentUntil = 0
  let closed = false

  const send = (to: pg.Client, message: string) => to.query('select pg_notify($1, $2)', [NOTIFICATION_CHANNEL, message])

  const receive = (from: pg.Client, message: string) => {
    if (message.startsWith(HEARTBEAT)) {
      const [, sender, sentAt] = message.split(':')
      if (sender === instance) currentUntil = Number(sentAt) + LEASE_MILLISECONDS
    } else if (message.startsWith(BARRIER)) {
      send(from, PASSED + message.slice(BARRIER.length)).catch(() => from.end())
    } else if (message.startsWith(PASSED)) {
      barriers.get(message.slice(PASSED.length))?.()
    } else {
      for (const subscriber of subscribers) subscriber(message)
    }
  }

  const connect = async () => {
    const fresh = new pg.Client({
      ...connection,
      application_name: 'docket-listener',
    })
    const lost = new Promise<void>((resolve) => {
      fresh.on('error', () => resolve())
      fresh.on('end', () => resolve())
    })
    fresh.on('notification', ({ payload }) => receive(fresh, payload ?? ''))
    let beat: NodeJS.Timeout | undefined
    try {
      await fresh.connect()
      await fresh.query('select pg_advisory_lock_shared($1)', [LISTENER_LOCK])
      await fresh.query(`listen ${NOTIFICATION_CHANNEL}`)
      // What was sent while nobody listened is unknown: start from nothing, then trust the first heartbeat.
      for (const subscriber of subscribers) subscriber(undefined)
      client = fresh
      const heartbeat = () => send(fresh, `${HEARTBEAT}${instance}:${Math.floor(performance.now())}`).catch(() => fresh.end().catch(() => undefined))
      await heartbeat()
      beat = setInterval(heartbeat, HEARTBEAT_MILLISECONDS).unref()
      await lost
    } finally {
      clearInterval(beat)
      client = undefined
      currentUntil = 0
      await fresh.end().catch(() => undefined)
    }
  }

  const run = async () => {
    for (let pause = 100; !closed; pause = Math.min(pause * 2, 2000)) {
      try {
        await connect()
        pause = 50
      } catch (error) {
        logger.warn({ error: (error as Error).message }, 'cannot listen for notifications; caches are off until it works again')
      }
      if (!closed) await sleep(pause, undefined, { ref: false })
    }
  }
  const running = run()

  return {
    isCurrent: () => performance.now() < currentUntil,
    subscribe: (receiver) => void subscribers.push(receiver),
    async settle() {
      const leaseEnd = sleep(LEASE_MILLISECONDS + 100, undefined, {
        ref: false,
      })
      const sender = client
      if (sender === undefined) return leaseEnd
      const barrier = randomUUID()
      try {
        let answers = 0
        let expected = Number.POSITIVE_INFINITY
        const passed = new Promise<void>((resolve) => {
          barriers.set(barrier, () => {
            answers += 1
            if (answers >= expected) resolve()
          })
        })
        const { rows } = await sender.query(
          "select count(*)::int as listeners from pg_locks where locktype = 'advisory' and objid = $1 and granted and database = (select oid from pg_database where datname = current_database())",
          [LISTENER_LOCK],
        )
        expected = rows[0].listeners
        await send(sender, BARRIER + barrier)
        await Promise.race([passed, leaseEnd])
      } catch {
        await leaseEnd
      } finally {
        barriers.delete(barrier)
      }
    },
    async close() {
      closed = true
      await client?.end().catch(() => undefined)
      await Promise.race([running, sleep(100, undefined, { ref: false })])
    },
  }
}
