import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from 'pino'
import { NOTIFICATION_CHANNEL, type Notifications } from './notifications.ts'

const HEARTBEAT_MILLISECONDS = 1000
/** How long an instance trusts its caches after its last returned heartbeat, and so the longest that `settle` can take. */
const LEASE_MILLISECONDS = 3000

/** Messages of this page start with one of these; all others belong to subscribers. */
const HEARTBEAT = 'heartbeat:'
const BARRIER = 'barrier:'
const PASSED = 'passed:'

/** Stands for the instances whose last heartbeat was sent before we listened. */
const UNHEARD = 'unheard'

/**
 * LISTEN over a connection of its own, which is made again whenever it breaks.
 *
 * Heartbeats go the same way as all messages, and PostgreSQL delivers in the order of commits: an instance that reads its own heartbeat has read
 * everything that was committed before it was sent. `settle` sends a barrier, which every instance answers. One that was heard of and does not
 * answer may have lost its connection without knowing it: then `settle` waits until the lease of that one must have run out. Guarded by
 * test/auth/two-instances.test.ts and test/auth/broken-lines.test.ts.
 */
export function listen(connection: pg.ClientConfig, logger: Logger): Notifications {
  const instance = randomUUID()
  const subscribers: ((message: string | undefined) => void)[] = []
  const barriers = new Map<string, (passedBy: string) => void>()
  /** When the lease of each instance has run out, by our clock and at the latest. */
  const leases = new Map<string, number>()
  const closing = new AbortController()
  let client: pg.Client | undefined
  let currentUntil = 0

  const send = (to: pg.Client, message: string) => to.query('select pg_notify($1, $2)', [NOTIFICATION_CHANNEL, message])

  const heardOf = (other: string) => {
    const now = performance.now()
    for (const [known, until] of leases) if (until <= now) leases.delete(known)
    leases.set(other, now + LEASE_MILLISECONDS)
  }

  const receive = (from: pg.Client, message: string) => {
    const [, id = '', detail = ''] = message.split(':')
    if (message.startsWith(HEARTBEAT)) {
      heardOf(id)
      if (id === instance) currentUntil = Number(detail) + LEASE_MILLISECONDS
    } else if (message.startsWith(BARRIER)) {
      send(from, `${PASSED}${id}:${instance}`).catch(() => from.end())
    } else if (message.startsWith(PASSED)) {
      barriers.get(id)?.(detail)
    } else {
      for (const subscriber of subscribers) subscriber(message)
    }
  }

  const connect = async () => {
    const fresh = new pg.Client({
      ...connection,
      application_name: 'docket-listener',
      // Heartbeats, barriers and answers do not wait for one another.
      pipeline: true,
      // What is not answered in time will never be: the connection is dead, even if the system has not noticed.
      query_timeout: LEASE_MILLISECONDS,
    })
    const lost = new Promise<void>((resolve) => {
      fresh.on('error', () => resolve())
      fresh.on('end', () => resolve())
    })
    fresh.on('notification', ({ payload }) => receive(fresh, payload ?? ''))
    let beat: NodeJS.Timeout | undefined
    try {
      await fresh.connect()
      await fresh.query(`listen ${NOTIFICATION_CHANNEL}`)
      // What was sent while nobody listened is unknown: start from nothing, then trust the first heartbeat.
      for (const subscriber of subscribers) subscriber(undefined)
      heardOf(UNHEARD)
      if (closing.signal.aborted) return
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
    for (let pause = 100; !closing.signal.aborted; pause = Math.min(pause * 2, 2000)) {
      try {
        await connect()
        pause = 50
      } catch (error) {
        logger.warn({ error: (error as Error).message }, 'cannot listen for notifications; caches are off until it works again')
      }
      await sleep(pause, undefined, { ref: false, signal: closing.signal }).catch(() => undefined)
    }
  }
  const running = run()

  return {
    isCurrent: () => performance.now() < currentUntil,
    subscribe: (receiver) => void subscribers.push(receiver),
    async settle() {
      const leaseEnd = sleep(LEASE_MILLISECONDS + 100, undefined, { ref: false })
      const sender = client
      if (sender === undefined) return leaseEnd
      const barrier = randomUUID()
      const passedBy = new Set<string>()
      const passed = new Promise<void>((resolve) => {
        barriers.set(barrier, (other) => {
          passedBy.add(other)
          // Our own answer follows every heartbeat that was sent before the barrier: with it we have heard of everyone.
          const isSilent = ([id, until]: [string, number]) => !passedBy.has(id) && until > performance.now()
          if (passedBy.has(instance) && ![...leases].some(isSilent)) resolve()
        })
      })
      const answered = send(sender, BARRIER + barrier).then(
        () => passed,
        () => leaseEnd,
      )
      await Promise.race([answered, leaseEnd])
      barriers.delete(barrier)
    },
    async send(message) {
      if (client === undefined) throw new Error('There is no connection that listens.')
      await send(client, message)
    },
    async close() {
      closing.abort()
      client?.end().catch(() => undefined)
      await Promise.race([running, sleep(LEASE_MILLISECONDS, undefined, { ref: false })])
    },
  }
}
