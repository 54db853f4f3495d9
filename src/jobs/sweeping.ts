import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Sweep } from './definitions.ts'

/** Between two runs of a sweep that found nothing more, however often it is woken. */
const BREATH_MILLISECONDS = 50
/** A missing database makes every sweep fail at each run. */
const COMPLAINT_MILLISECONDS = 10_000

/**
 * Runs one sweep again and again: at intervals, when it is woken, and as long as it finds more. Its runs never overlap, and whoever else wants a
 * connection gets a turn between two of them, since connections are handed out in the order in which they were asked for.
 */
export class Sweeping {
  /** Resolves when it was told to stop and its last run has ended. */
  readonly ended: Promise<void>
  readonly #sweep: Sweep
  readonly #stopping: AbortSignal
  readonly #logger: Logger
  #startedAt: number | undefined
  #woken = false
  #pausing = new AbortController()
  /** Whether waking it ends its pause. */
  #idle = false
  #lastComplaint = { error: '', at: Number.NEGATIVE_INFINITY }

  /** @param stopping ends it after the run that goes on */
  constructor(sweep: Sweep, intervalMilliseconds: number, stopping: AbortSignal, logger: Logger) {
    this.#sweep = sweep
    this.#stopping = stopping
    this.#logger = logger
    stopping.addEventListener('abort', () => this.#pausing.abort(), { once: true })
    this.ended = this.#run(intervalMilliseconds)
  }

  get name(): string {
    return this.#sweep.name
  }

  /** How long the run that goes on has taken so far. */
  get runSeconds(): number {
    return this.#startedAt === undefined ? 0 : (performance.now() - this.#startedAt) / 1000
  }

  /** @param message of the channel, or undefined when some may have been lost */
  hear(message: string | undefined): void {
    const { wokenBy } = this.#sweep
    if (wokenBy === undefined || (message !== undefined && !message.startsWith(wokenBy))) return
    this.#woken = true
    if (this.#idle) this.#pausing.abort()
  }

  async #run(interval: number): Promise<void> {
    while (!this.#stopping.aborted) {
      this.#woken = false
      let more = false
      let breath = BREATH_MILLISECONDS
      this.#startedAt = performance.now()
      try {
        more = await this.#sweep.run(this.#stopping)
      } catch (error) {
        this.#complain(error)
        breath = interval
      }
      this.#startedAt = undefined
      if (more) continue
      await this.#pause(breath)
      this.#idle = !this.#woken
      if (this.#idle) await this.#pause(interval - breath)
      this.#idle = false
    }
  }

  /** Ends early when the process stops, or when it is idle and woken. */
  async #pause(milliseconds: number): Promise<void> {
    if (this.#stopping.aborted) return
    this.#pausing = new AbortController()
    await sleep(milliseconds, undefined, { ref: false, signal: this.#pausing.signal }).catch(() => undefined)
  }

  #complain(error: unknown): void {
    const { message } = error as Error
    const now = performance.now()
    if (message === this.#lastComplaint.error && now - this.#lastComplaint.at < COMPLAINT_MILLISECONDS) return
    this.#lastComplaint = { error: message, at: now }
    this.#logger.error({ sweep: this.#sweep.name, err: error }, 'sweep failed')
  }
}
