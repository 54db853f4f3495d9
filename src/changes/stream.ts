import type { components } from '../../generated/api.ts'
import type { Context } from '../context.ts'
import type { EventStream, StreamedEvent } from '../contract/types.ts'
import { Problem } from '../problem.ts'
import type { ChangeFeed } from './feed.ts'
import { encodePosition, type FeedPosition, requireKnown } from './position.ts'
import { presentChange } from './presenter.ts'
import { type ChangeRow, listChanges } from './queries.ts'

type Change = components['schemas']['Change']
type Step = IteratorResult<StreamedEvent<Change>, undefined>

const END: Step = { done: true, value: undefined }
/** Rows that wait here for their reader. */
const MOST_WAITING = 50
const RETRY_MILLISECONDS = 1000
/** Spread, so that streams which began together do not come back together. */
const lifetime = () => (14 + 2 * Math.random()) * 60_000

/**
 * The changes of an owner after a position, as they come. It reads the log only when its reader has taken what was read before, and goes on by itself
 * when the database was away.
 */
export class ChangeStream implements EventStream<Change> {
  readonly #context: Context
  readonly #ownerId: string
  readonly #isLive: () => Promise<boolean>
  readonly #unsubscribe: () => void
  readonly #ended: () => void
  readonly #end: NodeJS.Timeout
  #position: FeedPosition
  #rows: ChangeRow[] = []
  #begun = false
  #over = false
  /** Whether the log may hold more than was read. */
  #behind = true
  /** Whether its session may have ended without a word of it here. */
  #isDoubtful = false
  #wake = () => {}

  /**
   * @param isLive whether its reader may still read changes
   * @param ended is called once, when it is over for whatever reason
   */
  constructor(context: Context, feed: ChangeFeed, ownerId: string, position: FeedPosition, isLive: () => Promise<boolean>, ended: () => void) {
    this.#context = context
    this.#ownerId = ownerId
    this.#isLive = isLive
    this.#position = position
    this.#ended = ended
    this.#unsubscribe = feed.subscribe(ownerId, (latest) => {
      if (latest !== undefined && latest <= this.#position.sequence) return
      this.#behind = true
      this.#wake()
    })
    this.#end = setTimeout(() => this.return(), lifetime()).unref()
  }

  /** Messages may have been lost, that of the end of its session among them: nothing more is told before that has been looked up. */
  doubt(): void {
    this.#isDoubtful = true
  }

  async next(): Promise<Step> {
    if (!this.#begun) {
      this.#begun = true
      return this.#event({})
    }
    while (!this.#over) {
      const row = this.#rows.shift()
      if (row !== undefined) {
        this.#position = { ...this.#position, sequence: row.sequence }
        return this.#event({ event: row.type, data: presentChange(row) })
      }
      if (this.#behind) await this.#read()
      else await this.#wait()
    }
    return END
  }

  async return(): Promise<Step> {
    if (this.#over) return END
    this.#over = true
    clearTimeout(this.#end)
    this.#unsubscribe()
    this.#wake()
    this.#ended()
    return END
  }

  #event(event: Omit<StreamedEvent<Change>, 'id'>): Step {
    return { done: false, value: { id: encodePosition(this.#context.cursors, this.#ownerId, this.#position), ...event } }
  }

  /** Until it is woken, or for so long at most. */
  #wait(milliseconds?: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
      if (milliseconds !== undefined) setTimeout(resolve, milliseconds).unref()
    })
  }

  async #read(): Promise<void> {
    const { db, notifications } = this.#context
    this.#behind = false
    try {
      if (!notifications.isCurrent()) this.#isDoubtful = true
      const { horizon, changes } = await listChanges(db, this.#ownerId, this.#position.sequence, MOST_WAITING)
      requireKnown(this.#position, horizon)
      if (this.#isDoubtful || !notifications.isCurrent()) {
        // Nothing may be told of what came after its end.
        this.#isDoubtful = false
        if (!(await this.#isLive())) return void this.return()
      }
      this.#position = { ...this.#position, horizon }
      this.#rows = changes
      if (changes.length === MOST_WAITING) this.#behind = true
    } catch (error) {
      this.#behind = true
      this.#isDoubtful = true
      if (error instanceof Problem) return void this.return()
      await this.#wait(RETRY_MILLISECONDS)
    }
  }
}
