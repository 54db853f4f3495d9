/** How often things have come about since the start, by what they are and how they ended: plain numbers, for whoever wants to show them. */
export class Counts<Thing extends string = string, Outcome extends string = string> {
  readonly #counts = new Map<Thing, Map<Outcome, number>>()

  add(thing: Thing, outcome: Outcome, by = 1): void {
    const outcomes = this.#counts.get(thing) ?? new Map<Outcome, number>()
    this.#counts.set(thing, outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + by))
  }

  of(thing: Thing, outcome: Outcome): number {
    return this.#counts.get(thing)?.get(outcome) ?? 0
  }

  *[Symbol.iterator](): Iterator<readonly [thing: Thing, outcome: Outcome, count: number]> {
    for (const [thing, outcomes] of this.#counts) for (const [outcome, count] of outcomes) yield [thing, outcome, count]
  }
}
