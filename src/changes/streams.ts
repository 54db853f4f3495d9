import { setTimeout as sleep } from 'node:timers/promises'
import type { Context } from '../context.ts'
import type { Principal } from '../contract/types.ts'
import { rateLimited } from '../problem.ts'
import type { ChangeFeed } from './feed.ts'
import type { FeedPosition } from './position.ts'
import { ChangeStream } from './stream.ts'

/** Whether somebody may still read changes, as their session or API token and their row in users are now. */
export type IsLive = (principal: Principal) => Promise<boolean>

const MOST_OF_A_USER = 5
/** How long a sixth waits for one to end: whoever was cut off comes back before the server has noticed that they went. */
const PATIENCE_MILLISECONDS = 1000
const CHECK_MILLISECONDS = 15_000

type Reader = Readonly<{ principal: Principal; stream: ChangeStream }>

/** The open streams of this instance: so many for a user, each as long as its session or API token lives. */
export class ChangeStreams {
  readonly #context: Context
  readonly #feed: ChangeFeed
  readonly #isLive: IsLive
  readonly #readers = new Map<string, Set<Reader>>()
  readonly #checking: NodeJS.Timeout
  #isChecking = false
  #isDue = false

  constructor(context: Context, feed: ChangeFeed, isLive: IsLive) {
    this.#context = context
    this.#feed = feed
    this.#isLive = isLive
    context.notifications.subscribe((message) => {
      if (message === undefined) {
        for (const { stream } of this.#all()) stream.doubt()
        return void this.#checkAll()
      }
      const [kind, id = ''] = message.split(':')
      if (kind === 'user') void this.#check(this.#readers.get(id) ?? [])
      if (kind === 'session') for (const { principal, stream } of this.#all()) if (principal.sessionId === id) void stream.return()
      if (kind === 'api-token') for (const { principal, stream } of this.#all()) if (principal.apiTokenId === id) void stream.return()
    })
    // Sessions expire as well.
    this.#checking = setInterval(() => void this.#checkAll(), CHECK_MILLISECONDS).unref()
  }

  /** How many are open. */
  get size(): number {
    return this.#all().length
  }

  /** @throws Problem 429 while the user has as many as they may */
  async open(principal: Principal, position: FeedPosition): Promise<ChangeStream> {
    for (let waited = 0; (this.#readers.get(principal.id)?.size ?? 0) >= MOST_OF_A_USER; waited += 50) {
      if (waited >= PATIENCE_MILLISECONDS) throw rateLimited(`You have ${MOST_OF_A_USER} streams open.`, 5)
      await sleep(50)
    }
    const readers = this.#readers.get(principal.id) ?? new Set()
    this.#readers.set(principal.id, readers)
    const ended = () => {
      readers.delete(reader)
      if (readers.size === 0) this.#readers.delete(principal.id)
    }
    const stream: ChangeStream = new ChangeStream(this.#context, this.#feed, principal.id, position, () => this.#isLive(principal), ended)
    const reader = { principal, stream }
    readers.add(reader)
    // What ended the session while they waited found no stream to end.
    await this.#check([reader])
    return stream
  }

  close(): void {
    clearInterval(this.#checking)
  }

  #all(): Reader[] {
    return [...this.#readers.values()].flatMap((readers) => [...readers])
  }

  /** One at a time, since it may take long while the database does not answer; once more when it was asked for meanwhile. */
  async #checkAll(): Promise<void> {
    this.#isDue = true
    if (this.#isChecking) return
    this.#isChecking = true
    while (this.#isDue) {
      this.#isDue = false
      await this.#check(this.#all())
    }
    this.#isChecking = false
  }

  async #check(readers: Iterable<Reader>): Promise<void> {
    for (const { principal, stream } of [...readers]) {
      // While the database does not answer, nobody is told anything new either.
      if (!(await this.#isLive(principal).catch(() => true))) await stream.return()
    }
  }
}
