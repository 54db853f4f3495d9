import type { Logger } from 'pino'

const FLUSH_MILLISECONDS = 60_000
const MOST_AT_ONCE = 1000

export type LastUse = Readonly<{ userId: string; id: string; at: string }>

/** When sessions, or API tokens, were last used: noted in memory by each request, and written down together, once a minute. */
export class LastUses {
  readonly #write: (uses: readonly LastUse[]) => Promise<void>
  readonly #logger: Logger
  readonly #timer: NodeJS.Timeout
  #noted = new Map<string, Readonly<{ userId: string; at: number }>>()

  /** @param write keeps up to 1,000 of them; an error costs nothing but these times */
  constructor(write: (uses: readonly LastUse[]) => Promise<void>, logger: Logger) {
    this.#write = write
    this.#logger = logger
    this.#timer = setInterval(() => this.flush(), FLUSH_MILLISECONDS).unref()
  }

  note(userId: string, id: string): void {
    this.#noted.set(id, { userId, at: Date.now() })
  }

  /** Whoever waits for it gets an answer in any case. */
  async flush(): Promise<void> {
    const uses = [...this.#noted].map(([id, { userId, at }]) => ({ userId, id, at: new Date(at).toISOString() }))
    this.#noted = new Map()
    try {
      for (let start = 0; start < uses.length; start += MOST_AT_ONCE) await this.#write(uses.slice(start, start + MOST_AT_ONCE))
    } catch (error) {
      this.#logger.warn({ error: (error as Error).message }, 'cannot note when tokens were last used')
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.flush()
  }
}
