import type { Duplex } from 'node:stream'
import pg from 'pg'
import type { Logger } from 'pino'
import { PreparedQuery, type Statement } from './prepared-query.ts'
import { UtcClient } from './utc-client.ts'

const RECONNECT_MILLISECONDS = 500
const CHECK_MILLISECONDS = 100

/** Protocol violation and feature not supported: how poolers refuse a connection for the options that it begins with. */
const REFUSED_OPTIONS = new Set(['08P01', '0A000'])

type Purpose = Readonly<{
  /** One whose options a pooler refuses is replaced by UtcClient. */
  Client: typeof UtcClient
  /** What must be true of a connection, since poolers pass over what they do not know. After one that is otherwise no more are made, and the log says so. */
  needs?: Readonly<{ check: (client: pg.Client) => Promise<boolean>; otherwise: string }>
  /** Milliseconds after which a connection that owes an answer is given up, with all that was sent on it. */
  silence: number
  /** How many statements may wait on one connection. */
  waiting: number
  /** Milliseconds. Everything is sent on one connection until a statement there has waited for so long; only then is another taken. */
  patience: number
}>

/** A connection, and when each of the statements was sent that are not answered yet, oldest first: answers come in this order. */
type Pipeline = Readonly<{ client: pg.Client; sent: number[] }>

/**
 * A few connections on which single prepared statements are sent one behind the other, without waiting for the answers in between: no connection is
 * checked out and fewer packets travel, which halves the cost of a read by key on both sides. Each statement is a transaction of its own, and answered
 * when that is committed. Nothing may run here that takes long or waits for a lock for long: it would hold up all that come behind it.
 * Another connection is made whenever a statement is sent behind others, so that it is there when one falls behind.
 */
export class Pipelines {
  readonly #settings: pg.ClientConfig
  #Client: typeof UtcClient
  readonly #purpose: Purpose
  readonly #logger: Logger
  readonly #pipelines: (Pipeline | undefined)[]
  /** Of those that have been needed yet. */
  readonly #connecting: Promise<void>[] = []
  readonly #check: NodeJS.Timeout
  #closed = false

  constructor(size: number, settings: pg.ClientConfig, purpose: Purpose, logger: Logger) {
    this.#settings = settings
    this.#Client = purpose.Client
    this.#purpose = purpose
    this.#logger = logger
    this.#pipelines = Array.from({ length: size }, () => undefined)
    this.#check = setInterval(() => this.#giveUpSilent(), CHECK_MILLISECONDS).unref()
  }

  /** Undefined when no connection is up or all are busy, for the caller to take the pool. */
  run(statement: Statement): Promise<unknown[]> | undefined {
    const now = performance.now()
    const pipeline = this.#next(now)
    const isBusy = pipeline === undefined || pipeline.sent.length > 0
    if (isBusy && this.#connecting.length < this.#pipelines.length) this.#connect(this.#connecting.length)
    if (pipeline === undefined || pipeline.sent.length >= this.#purpose.waiting) return undefined
    const { client, sent } = pipeline
    this.#gather(client.connection.stream)
    sent.push(now)
    return new Promise((resolve, reject) => {
      const query = new PreparedQuery(statement, (error, rows) => {
        sent.shift()
        if (error) reject(error)
        else resolve(rows)
      })
      client.query(query)
    })
  }

  /** The first that is quick enough, so that many statements share a packet, and few processes of PostgreSQL the cores; else where the fewest wait. */
  #next(now: number): Pipeline | undefined {
    let least: Pipeline | undefined
    for (const pipeline of this.#pipelines) {
      if (pipeline === undefined) continue
      if ((pipeline.sent[0] ?? Infinity) > now - this.#purpose.patience) return pipeline
      if (pipeline.sent.length < (least?.sent.length ?? Infinity)) least = pipeline
    }
    return least
  }

  /**
   * One timer for all: pg's own limit takes one for each statement, and with so many that are set and cleared, the rows of every answer outlived the
   * collection of young garbage. That was a fifth of the server's CPU and half of its memory.
   */
  #giveUpSilent(): void {
    const latest = performance.now() - this.#purpose.silence
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
    const connect = async () => {
      await client.connect()
      const { needs } = this.#purpose
      if (needs !== undefined && !(await needs.check(client))) {
        if (!this.#closed) this.#logger.warn(needs.otherwise)
        this.#closed = true
        await client.end()
      } else if (!lost) {
        this.#pipelines[index] = { client, sent: [] }
      }
    }
    this.#connecting[index] = connect().catch(refused)
  }
}
