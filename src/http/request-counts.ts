import { BoundedMap } from '../bounded-map.ts'

/** How many requests there have been in a span of time, and how long it still lasts. */
export type Window = Readonly<{ requests: number; milliseconds: number }>

export interface RequestCounts {
  /** Counts one more. A promise only where the counts are shared. */
  add(key: string): Window | Promise<Window>
}

/** How many keys are counted at once, at some 180 bytes each. */
export const MOST_KEYS = 100_000

/**
 * Counts the requests of each key in windows of fixed length, which begin with a request, in this process alone. Its memory is bounded: when there are
 * too many keys, those of the oldest tenth of the windows get new ones. Whoever has that many addresses gains nothing by it.
 */
export class LocalCounts implements RequestCounts {
  readonly #milliseconds: number
  readonly #now: () => number
  /** All windows are of one length, so that the order in which they began is the order in which they end. */
  readonly #windows = new BoundedMap<string, { requests: number; endsAt: number }>(MOST_KEYS)

  /** @param now milliseconds of a clock that never goes back */
  constructor(seconds: number, now = () => performance.now()) {
    this.#milliseconds = seconds * 1000
    this.#now = now
  }

  add(key: string): Window {
    const now = this.#now()
    let window = this.#windows.get(key)
    if (window === undefined || window.endsAt <= now) {
      this.#windows.delete(key)
      window = { requests: 0, endsAt: now + this.#milliseconds }
      this.#windows.set(key, window)
    }
    window.requests += 1
    return { requests: window.requests, milliseconds: window.endsAt - now }
  }
}
