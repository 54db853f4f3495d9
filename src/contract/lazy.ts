import { setImmediate as nextTurn } from 'node:timers/promises'

/**
 * What takes long to make, and is made at its first use: the validators and serializers of all operations are a third of the work of a start. `makeAll`
 * makes the rest while the server answers already, so that no request waits for much.
 */
export class LazyValues {
  readonly #waiting: (() => unknown)[] = []

  /** @returns a function that makes the value when it is first called */
  add<Value>(make: () => Value): () => Value {
    let made: Value | undefined
    const get = () => {
      made ??= make()
      return made
    }
    this.#waiting.push(get)
    return get
  }

  /** One in each turn of the event loop. */
  async makeAll(isNeeded: () => boolean): Promise<void> {
    for (const get of this.#waiting) {
      if (!isNeeded()) return
      get()
      await nextTurn()
    }
  }
}
