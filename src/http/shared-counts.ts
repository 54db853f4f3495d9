import { Redis } from 'ioredis'
import type { Logger } from 'pino'
import { LocalCounts, type RequestCounts, type Window } from './request-counts.ts'

/** A store that does not answer in this time is taken for away. */
const PATIENCE_MILLISECONDS = 50
const RECONNECT_MILLISECONDS = 1000

const PROBE = 'docket:requests:probe'

/** Counts one more in the window of a key, which begins with the first: the count, and the milliseconds that are left. */
const ADD = `
  local requests = redis.call('incr', KEYS[1])
  local left = redis.call('pttl', KEYS[1])
  if left < 0 then
    left = tonumber(ARGV[1])
    redis.call('pexpire', KEYS[1], left)
  end
  return { requests, left }`

/**
 * A Redis or Valkey server in which all instances count together. The first command that fails or takes too long costs one request up to 50 ms; from
 * then on each instance counts by itself, until a new connection, tried once a second, has answered.
 */
export class SharedStore {
  readonly #client: Redis
  readonly #logger: Logger
  #available = false
  #lossLogged = false

  constructor(url: string, logger: Logger) {
    this.#logger = logger
    this.#client = new Redis(url, {
      disconnectTimeout: PATIENCE_MILLISECONDS,
      connectTimeout: RECONNECT_MILLISECONDS,
      retryStrategy: () => RECONNECT_MILLISECONDS,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      disableClientInfo: true,
    })
    // That it answers and has read its data the client has checked by then, not that it takes what is written: a replica does not, nor one that is full.
    this.#client.on('ready', () =>
      this.#add(PROBE, RECONNECT_MILLISECONDS).then(
        () => this.#join(),
        (error) => this.#lose(error),
      ),
    )
    this.#client.on('close', () => this.#lose(new Error('The connection was closed.')))
    this.#client.on('error', (error) => this.#lose(error))
  }

  counts(policy: string, seconds: number): RequestCounts {
    const local = new LocalCounts(seconds)
    return {
      add: (key) => {
        if (!this.#available) return local.add(key)
        return this.#add(`docket:requests:${policy}:${key}`, seconds * 1000).catch((error) => {
          this.#lose(error)
          return local.add(key)
        })
      },
    }
  }

  close(): void {
    this.#lossLogged = true
    this.#client.disconnect()
  }

  async #add(key: string, milliseconds: number): Promise<Window> {
    const [requests, left] = (await inTime(this.#client.eval(ADD, 1, key, milliseconds))) as [number, number]
    return { requests, milliseconds: left }
  }

  #join(): void {
    this.#available = true
    this.#lossLogged = false
    this.#logger.info('the instances share their rate limits')
  }

  #lose(error: Error): void {
    if (this.#client.status === 'ready') this.#client.disconnect(true)
    this.#available = false
    if (this.#lossLogged) return
    this.#lossLogged = true
    this.#logger.warn({ error: error.message }, 'the store of the rate limits is away: each instance counts by itself')
  }
}

/** Fails when there is no answer in time. One that came while this process was busy is read first: its sockets come after its timers, and before this. */
function inTime<T>(answer: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => setImmediate(() => reject(new Error('It did not answer in time.'))), PATIENCE_MILLISECONDS)
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
