import { type Answer, Call } from './call.js'

export type Page<T> = Readonly<{
  items: readonly T[]
  /** Where the next page begins; null on the last one. */
  nextCursor: string | null
}>

/** A listing: awaited, its first page; iterated over, all its items, with each next page fetched when it is needed. */
export class Pages<T> extends Call<Answer<Page<T>>> implements AsyncIterable<T> {
  readonly #next: (cursor: string) => Promise<Answer<Page<T>>>
  readonly #signal: AbortSignal | undefined

  /** @internal */
  constructor(fetchPage: (cursor?: string) => Promise<Answer<Page<T>>>, signal: AbortSignal | undefined) {
    super(fetchPage())
    this.#next = fetchPage
    this.#signal = signal
  }

  /** The pages themselves, one after the other. */
  async *pages(): AsyncGenerator<Page<T>, void> {
    let { data: page } = await this.withResponse()
    yield page
    while (page.nextCursor !== null) {
      page = (await this.#next(page.nextCursor)).data
      yield page
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void> {
    for await (const { items } of this.pages()) {
      for (const item of items) {
        this.#signal?.throwIfAborted()
        yield item
      }
    }
  }
}
