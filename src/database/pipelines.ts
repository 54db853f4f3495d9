import type { Duplex } from 'node:stream'
import pg from 'pg'
import type { Logger } from 'pino'
import { IndexReadingClient, UtcClient } from './utc-client.ts'

const RECONNECT_MILLISECONDS = 500
const CHECK_MILLISECONDS = 100

/** Protocol violation and feature not supported: how poolers refuse a connection for the options that it begins with. */
const REFUSED_OPTIONS = new Set(['08P01', '0A000'])

/** @property keepsPlans whether the server keeps plans by name: else a general one is only worse */
type Settings = pg.ClientConfig & Readonly<{ keepsPlans: boolean }>

/** A connection, and when each of the statements was sent that are not answered yet, oldest first: answers come in this order. */
type Pipeline = Readonly<{ client: pg.Client; sent: number[] }>

/**
 * A few connections on which single prepared reads are sent one behind the other, without waiting for the answers in between: no connection is
 * checked out and fewer packets travel, which halves the cost of a read by key on both sides. Writes and transactions stay with the pool: one that
 * waits for a lock would hold up all that come behind it.
 */
export class Pipelines {
  readonly #settings: pg.ClientConfig
  #Client: typeof UtcClient
  readonly #limit: number
  readonly #logger: Logger
  readonly #pipelines: (Pipeline | undefined)[]
  readonly #connecting: Promise<void>[] = []
  readonly #check: NodeJS.Timeout
  #next = 0
  #closed = false

  /** @param limit milliseconds after which a connection that owes an answer is given up, with all that was sent on it */
  constructor(size: number, { keepsPlans, ...settings }: Settings, limit: number, logger: Logger) {
    this.#settings = settings
    this.#Client = keepsPlans ? IndexReadingClient : UtcClient
    this.#limit = limit
    this.#logger = logger
    this.#pipelines = Array.from({ length: size }, () => undefined)
    this.#check = setInterval(() => this.#giveUpSilent(), CHECK_MILLISECONDS).unref()
    for (const index of this.#pipelines.keys()) this.#connect(index)
  }

  /** Undefined when the connection whose turn it is is down, for the caller to take the pool. */
  run(query: pg.QueryConfig): Promise<pg.QueryResult> | undefined {
    this.#next = (this.#next + 1) % this.#pipelines.length
    const pipeline = this.#pipelines[this.#next]
    if (pipeline === undefined) return undefined
    const { client, sent } = pipeline
    this.#gather(client.connection.stream)
    sent.push(performance.now())
    return new Promise((resolve, reject) => {
      client.query(query, (error, result) => {
        sent.shift()
        if (error) reject(error)
        else resolve(result)
      })
    })
  }

  /**
   * One timer for all: pg's own limit takes one for each statement, and with so many that are set and cleared, the rows of every answer outlived the
   * collection of young garbage. That was a fifth of the server's CPU and half of its memory.
   */
  #giveUpSilent(): void {
    const latest = performance.now() - this.#limit
    for (const pipeline of this.#pipelines) if ((pipeline?.sent[0] ?? Infinity) < latest) pipeline?.client.connection.stream.destroy()
  }

  /** What the requests of one turn of the event loop ask for leaves in one packet: a quarter of the cost of a read is sending it. */
  #gather(stream: Duplex): void {
    if (stream.writableCorked > 0) return
    stream.cork()
    setImmediate(() => stream.uncork())
  }

  get state(): Readonly<{ most: number; open: number; idle: number; waiting: number }> {
    const loads = this.#pipelines.filter((pipeline) => pipeline !== undefined).map(({ sent }) => sent.length)
    const waiting = loads.reduce((sum, load) => sum + load, 0)
    return { most: this.#pipelines.length, open: loads.length, idle: loads.filter((load) => load === 0).length, waiting }
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#connecting)
    await Promise.all(this.#pipelines.map((pipeline) => pipeline?.client.end().catch(() => undefined)))
    clearInterval(this.#check)
  }

  #connect(index: number): void {
    if (this.#closed) return
    const client = new this.#Client({ ...this.#settings, pipeline: true })
    let lost = false
    // A connection can fail in more ways than one at a time; it is replaced once.
    const replace = () => {
      if (lost) return
      lost = true
      if (this.#pipelines[index]?.client === client) this.#pipelines[index] = undefined
      client.end().catch(() => undefined)
      setTimeout(() => this.#connect(index), RECONNECT_MILLISECONDS).unref()
    }
    client.on('error', (error) => {
      this.#logger.warn({ error: error.message }, 'lost a database connection')
      replace()
    })
    client.on('end', replace)
    const refused = (error: Error) => {
      if (error instanceof pg.DatabaseError && REFUSED_OPTIONS.has(error.code ?? '') && this.#Client !== UtcClient) {
        this.#logger.warn({ error: error.message }, 'connects without options for kept plans, because they were refused')
        this.#Client = UtcClient
      }
      replace()
    }
    this.#connecting[index] = client.connect().then(() => {
      if (!lost) this.#pipelines[index] = { client, sent: [] }
    }, refused)
  }
}
