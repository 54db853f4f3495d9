import { setTimeout as sleep } from 'node:timers/promises'
import type { Context } from '../context.ts'
import { findLatestChanges } from './queries.ts'

/** Told of the number of an owner's last change, or of none when there may be a new one. */
type Wake = (latest?: number) => void

const MESSAGE = 'changes:'
/** As many ids as a message of PostgreSQL holds (8,000 bytes). */
const MOST_OWNERS = 200
/** Between two messages of this instance: at a thousand writes a second, one for each would cost more than the writes. */
const BREATH_MILLISECONDS = 10
const POLL_MILLISECONDS = 1000
/** While messages arrive, one poll in so many: a process that is killed after a commit sends none. */
const POLLS_SKIPPED = 5

/**
 * Wakes those who wait for changes, on this instance and on all others. Messages only wake: what has changed is in the log, and while there are none,
 * polling takes over. They are sent after the commit and for many owners at once, since PostgreSQL lets commits that notify pass only one by one.
 */
export class ChangeFeed {
  readonly #context: Context
  readonly #wakes = new Map<string, Set<Wake>>()
  readonly #announced = new Set<string>()
  readonly #polling: NodeJS.Timeout
  #sending = false
  #polls = 0
  #asked = 0
  #heard = 0

  constructor(context: Context) {
    this.#context = context
    context.notifications.subscribe((message) => {
      if (message === undefined) for (const ownerId of this.#wakes.keys()) this.#wake(ownerId)
      else if (message.startsWith(MESSAGE)) {
        this.#heard += 1
        for (const ownerId of message.slice(MESSAGE.length).split(',')) this.#wake(ownerId)
      }
    })
    this.#polling = setInterval(() => void this.#poll(), POLL_MILLISECONDS).unref()
  }

  /** How often the log was asked for new changes since the start, and how many messages told of some. */
  get wakings(): Readonly<{ polls: number; messages: number }> {
    return { polls: this.#asked, messages: this.#heard }
  }

  /** Tells all instances that changes of somebody's have been committed here. */
  announce(ownerId: string): void {
    this.#announced.add(ownerId)
    if (!this.#sending) void this.#send()
  }

  /** @returns what ends it */
  subscribe(ownerId: string, wake: Wake): () => void {
    const wakes = this.#wakes.get(ownerId) ?? new Set()
    this.#wakes.set(ownerId, wakes.add(wake))
    return () => {
      wakes.delete(wake)
      if (wakes.size === 0) this.#wakes.delete(ownerId)
    }
  }

  close(): void {
    clearInterval(this.#polling)
  }

  /** What is announced while a message is on its way leaves with the next. */
  async #send(): Promise<void> {
    this.#sending = true
    while (this.#announced.size > 0) {
      const ownerIds = [...this.#announced].slice(0, MOST_OWNERS)
      for (const ownerId of ownerIds) this.#announced.delete(ownerId)
      await this.#context.notifications.send(MESSAGE + ownerIds.join()).catch(() => {
        for (const ownerId of ownerIds) this.#wake(ownerId)
      })
      await sleep(BREATH_MILLISECONDS, undefined, { ref: false })
    }
    this.#sending = false
  }

  #wake(ownerId: string, latest?: number): void {
    for (const wake of this.#wakes.get(ownerId) ?? []) wake(latest)
  }

  async #poll(): Promise<void> {
    this.#polls += 1
    if (this.#wakes.size === 0 || (this.#context.notifications.isCurrent() && this.#polls % POLLS_SKIPPED !== 0)) return
    this.#asked += 1
    try {
      const latest = await findLatestChanges(this.#context.db, [...this.#wakes.keys()])
      for (const [ownerId, sequence] of latest) this.#wake(ownerId, sequence)
    } catch {
      // The database is away: the next poll tells.
    }
  }
}
