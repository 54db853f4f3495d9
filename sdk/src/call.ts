/** What came back, with what stands around it. */
export type Answer<T> = Readonly<{
  data: T
  status: number
  headers: Headers
  /** Finds the request in the server's log. */
  requestId: string | undefined
}>

/** The answer about something that has versions. `etag` names this one, for `ifMatch` and `ifNoneMatch`. */
export type Versioned<T> = Answer<T> & Readonly<{ etag: string }>

export type CallOptions = Readonly<{
  /** Ends the call, also while it waits to be repeated; it rejects with the signal's own reason. */
  signal?: AbortSignal | undefined
  /** Milliseconds that the call may take with all its repetitions; of an iteration, each page. */
  timeout?: number | undefined
  /** How often to repeat a call that failed for a passing reason. */
  maxRetries?: number | undefined
  /** The id that the server logs the request under: 8 to 128 of `A-Z a-z 0-9 . _ -`. */
  requestId?: string | undefined
}>

export type CreateOptions = CallOptions &
  Readonly<{
    /**
     * Names what is to be done, for the server to do it once: 1 to 255 visible ASCII characters. By default each call has a random one, so that it can be
     * repeated. A program that may itself be interrupted, and then calls again, keeps one of its own.
     */
    idempotencyKey?: string
  }>

export type ChangeOptions = CallOptions &
  Readonly<{
    /** Make the change only to the version with this etag; otherwise fail with `PRECONDITION_FAILED`. */
    ifMatch?: string
  }>

export type ReadOptions = CallOptions &
  Readonly<{
    /** Answer with nothing (status 304) if the version is still the one with this etag. */
    ifNoneMatch: string
  }>

/** A request that is under way: a promise of its data, and by `withResponse()` of all that came with them. */
export class Call<A extends Answer<unknown>> implements Promise<A['data']> {
  readonly #answer: Promise<A>

  /** @internal */
  constructor(answer: Promise<A>) {
    this.#answer = answer
  }

  /** The data together with the status, the headers, the request id and, of a list or a task, its etag. */
  withResponse(): Promise<A> {
    return this.#answer
  }

  // Derived when it is asked for: a promise of the data beside that of the answer would be rejected, unhandled, when only the other one is awaited.
  // biome-ignore lint/suspicious/noThenProperty: it is a promise
  then<Kept = A['data'], Caught = never>(
    onFulfilled?: ((data: A['data']) => Kept | PromiseLike<Kept>) | null,
    onRejected?: ((reason: unknown) => Caught | PromiseLike<Caught>) | null,
  ): Promise<Kept | Caught> {
    return this.#answer.then(({ data }) => data).then(onFulfilled, onRejected)
  }

  catch<Caught = never>(onRejected?: ((reason: unknown) => Caught | PromiseLike<Caught>) | null): Promise<A['data'] | Caught> {
    return this.then(null, onRejected)
  }

  finally(onFinally?: (() => void) | null): Promise<A['data']> {
    return this.then().finally(onFinally)
  }

  get [Symbol.toStringTag](): string {
    return 'Call'
  }
}
