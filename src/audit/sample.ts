import { BoundedMap } from '../bounded-map.ts'

const SAMPLE_MILLISECONDS = 60_000
const MOST_REMEMBERED = 10_000

/** One a minute of each kind: who does something a thousand times is worth one event, not a thousand. */
export class Sample {
  /** When the last one of a kind was taken. */
  readonly #taken = new BoundedMap<string, number>(MOST_REMEMBERED)

  /** Whether this one is to be kept. */
  take(kind: string): boolean {
    const now = performance.now()
    if (now - (this.#taken.get(kind) ?? Number.NEGATIVE_INFINITY) < SAMPLE_MILLISECONDS) return false
    this.#taken.set(kind, now)
    return true
  }
}
