import { unavailable } from '../problem.ts'

/** Of the connections of an instance no user takes more: what they write waits for itself anyway. */
const MOST_AT_ONCE = 2
const MOST_WAITING = 100

/** Lets only so many requests of a user be carried out at once; the others wait, each in its turn, and hold nothing. */
export class Turns {
  readonly #users = new Map<string, { running: number; waiting: (() => void)[] }>()

  /** @throws Problem 503 when too many are waiting */
  async take<Result>(userId: string, work: () => Promise<Result>): Promise<Result> {
    const user = this.#users.get(userId) ?? { running: 0, waiting: [] }
    this.#users.set(userId, user)
    if (user.running < MOST_AT_ONCE) user.running += 1
    else if (user.waiting.length >= MOST_WAITING) throw unavailable('Too many of your requests are waiting for one another.')
    // Whoever ends hands their place over.
    else await new Promise<void>((resolve) => user.waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = user.waiting.shift()
      if (next !== undefined) next()
      else user.running -= 1
      if (user.running === 0) this.#users.delete(userId)
    }
  }
}
