import type { Duplex } from 'node:stream'
import type pg from 'pg'
import type { Logger } from 'pino'
import { UtcClient } from './utc-client.ts'

const RECONNECT_MILLISECONDS = 500

/** What pg.Client 8.23 keeps of the statements that are not answered (test/metrics/connections.test.ts). */
type DriverQueues = Readonly<{ _activeQuery: unknown; _sentQueryQueue: readonly unknown[]; _queryQueue: readonly unknown[] }>

/**
 * A few connections on which single prepared reads are sent one behind the other, without waiting for the answers in between: no connection is
 * checked out and fewer packets travel, which halves the cost of a read by key on both sides. Writes and transactions stay with the pool: one that
 * waits for a lock would hold up all that come behind it.
 */
export class Pipelines {
  readonly #settings: pg.ClientConfig
  readonly #logger: Logger
  readonly #clients: (pg.Client | undefined)[]
  readonly #connecting: Promise<void>[] = []
  #next = 0
  #closed = false

  constructor(size: number, settings: pg.ClientConfig, logger: Logger) {
    this.#settings = settings
    this.#logger = logger
    this.#clients = Array.from({ length: size }, () => undefined)
    for (const index of this.#clients.keys()) this.#connect(index)
  }

  /** Undefined when the connection whose turn it is is down, for the caller to take the pool. */
  run(query: pg.QueryConfig): Promise<pg.QueryResult> | undefined {
    this.#next = (this.#next + 1) % this.#clients.length
    const client = this.#clients[this.#next]
    if (client === undefined) return undefined
    this.#gather(client.connection.stream)
    return client.query(query)
  }

  /** What the requests of one turn of the event loop ask for leaves in one packet: a quarter of the cost of a read is sending it. */
  #gather(stream: Duplex): void {
    if (stream.writableCorked > 0) return
    stream.cork()
    setImmediate(() => stream.uncork())
  }

  /** The driver counts for itself what was sent and what waits to be. */
  get state(): Readonly<{ most: number; open: number; idle: number; waiting: number }> {
    const open = this.#clients.filter((client) => client !== undefined) as unknown as readonly DriverQueues[]
    const loads = open.map(({ _activeQuery, _sentQueryQueue, _queryQueue }) => (_activeQuery ? 1 : 0) + _sentQueryQueue.length + _queryQueue.length)
    const waiting = loads.reduce((sum, load) => sum + load, 0)
    return { most: this.#clients.length, open: open.length, idle: loads.filter((load) => load === 0).length, waiting }
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#connecting)
    await Promise.all(this.#clients.map((client) => client?.end().catch(() => undefined)))
  }

  #connect(index: number): void {
    if (this.#closed) return
    const client = new UtcClient({ ...this.#settings, pipeline: true })
    let lost = false
    // A connection can fail in more ways than one at a time; it is replaced once.
    const replace = () => {
      if (lost) return
      lost = true
      if (this.#clients[index] === client) this.#clients[index] = undefined
      client.end().catch(() => undefined)
      setTimeout(() => this.#connect(index), RECONNECT_MILLISECONDS).unref()
    }
    client.on('error', (error) => {
      this.#logger.warn({ error: error.message }, 'lost a database connection')
      replace()
    })
    client.on('end', replace)
    this.#connecting[index] = client.connect().then(() => {
      if (!lost) this.#clients[index] = client
    }, replace)
  }
}
