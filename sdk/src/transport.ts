import { abortable, sleep, within } from './abort.js'
import { type Answer, Call, type CallOptions } from './call.js'
import { DocketConnectionError, DocketError } from './errors.js'
import { type Client, createClient, createConfig } from './generated/client/index.js'
import { createToken } from './generated/sdk.gen.js'
import type { TokenRequest, TokenResult } from './generated/types.gen.js'
import { newIdempotencyKey } from './idempotency-key.js'
import { type Page, Pages } from './pages.js'
import { delayBeforeRetry, mayRepeat } from './retry.js'
import { Session, type Start, type Tokens } from './session.js'

export type TransportOptions = Readonly<{
  baseUrl: string
  fetch: ((request: Request) => Promise<Response>) | undefined
  maxRetries: number
  timeout: number
  onTokens: ((tokens: Tokens | undefined) => void | Promise<void>) | undefined
}>

/** What every operation is sent with. */
type Wire = Readonly<{
  client: Client
  /** Called for the operations that the document secures, and for no other. */
  auth: () => Promise<string | undefined>
  signal: AbortSignal
  headers: Record<string, string>
}>

/** As the generated functions answer: no request when it could not be made, no response when none came. */
type Result<T> = Readonly<{ data?: T | undefined; error?: unknown; request?: Request; response?: Response }>

/** The generated types know that an answer has no body only where it is a 204. */
type Operation<T> = (wire: Wire) => Promise<Result<undefined extends T ? unknown : T>>

/** In what an operation differs from others. */
type Traits = Readonly<{
  /** A status that is an answer here, although it is not 2xx. */
  answer?: 304 | 503
  /** Whether the request may be repeated although it is a POST. */
  harmless?: boolean
  /** Whether the answer is a stream of events. */
  streams?: boolean
  /** Whether the server carries it out once for each Idempotency-Key. */
  keyed?: boolean
}>

type Options = CallOptions & Readonly<{ ifMatch?: string; ifNoneMatch?: string | undefined; idempotencyKey?: string }>

/** Sends operations: with a token, more than once if need be, and in the end to an answer or an error. */
export class Transport {
  readonly #client: Client
  readonly #options: TransportOptions
  #session: Session

  constructor(options: TransportOptions, start: Start) {
    this.#options = options
    const { baseUrl, fetch: send } = options
    const config = createConfig({ baseUrl: `${baseUrl.replace(/\/+$/, '')}/api/v1`, parseAs: 'json', ...(send && { fetch: send as typeof fetch }) })
    this.#client = createClient(config)
    this.#session = this.#begin(start)
  }

  call<A extends Answer<unknown>>(operation: Operation<A['data']>, options: Options, traits?: Traits): Call<A> {
    return new Call(this.send<A>(operation, options, traits))
  }

  pages<T>(operation: (wire: Wire & { cursor: { cursor?: string } }) => Promise<Result<Page<T>>>, options: CallOptions): Pages<T> {
    const fetchPage = (cursor?: string) =>
      this.send<Answer<Page<T>>>((wire) => operation({ ...wire, cursor: cursor === undefined ? {} : { cursor } }), options)
    return new Pages(fetchPage, options.signal)
  }

  async send<A extends Answer<unknown>>(operation: Operation<A['data']>, options: Options, traits: Traits = {}): Promise<A> {
    const { signal, timeout = this.#options.timeout } = options
    const expired = () => new DocketConnectionError(`There was no answer within ${timeout} ms.`)
    return within(timeout, signal, expired, (limited) => this.#sendUntilAnswered<A>(operation, options, traits, limited))
  }

  /** Once this is answered, the client is somebody else, or nobody. */
  becoming<A extends Answer<unknown>>(answer: Promise<A>, tokensFrom: (data: A['data']) => Tokens | undefined): Call<A> {
    const become = async () => {
      const tokens = tokensFrom((await answer).data)
      this.#session = this.#begin(tokens ?? {})
      await this.#options.onTokens?.(tokens)
      return answer
    }
    return new Call(become())
  }

  #begin(start: Start): Session {
    return new Session(
      start,
      (request) => this.#grant(request),
      async (session, tokens) => {
        if (session === this.#session) await this.#options.onTokens?.(tokens)
      },
    )
  }

  /**
   * By the OAuth2 endpoint rather than by login: it alone refreshes as well, it takes a scope, and browsers send its form without a preflight. It does
   * no harm when it is repeated: a refresh whose answer was lost gives the same tokens again for 30 seconds, a login one session more.
   */
  async #grant(body: TokenRequest): Promise<TokenResult> {
    const { data } = await this.send<Answer<TokenResult>>((wire) => createToken({ ...wire, body }), {}, { harmless: true })
    return data
  }

  async #sendUntilAnswered<A extends Answer<unknown>>(
    operation: Operation<A['data']>,
    options: Options,
    traits: Traits,
    signal: AbortSignal,
  ): Promise<A> {
    const { maxRetries = this.#options.maxRetries } = options
    const session = this.#session
    // The same with every repetition.
    const headers = headersOf(options, traits)
    let renewed = false
    for (let retries = 0; ; ) {
      let token: string | undefined
      const auth = async () => {
        token = await session.token()
        return token
      }
      const result = await abortable(operation({ client: this.#client, auth, signal, headers }), signal)
      // Nothing was sent: the login has failed, or the URL is none.
      if (result.request === undefined) throw result.error
      const outcome = outcomeOf(result, traits)
      if (!(outcome instanceof Error)) return outcome as A
      signal.throwIfAborted()
      // 401 comes before anything is done, so every operation may be repeated after it.
      if (!renewed && token !== undefined && isAboutToken(outcome)) {
        renewed = true
        if ((await abortable(session.renew(token), signal)) !== undefined) continue
      }
      const repeat = retries < maxRetries && mayRepeat(outcome, result.request, traits.harmless ?? false)
      const delay = repeat ? delayBeforeRetry(outcome, retries) : undefined
      if (delay === undefined) throw outcome
      await sleep(delay, signal)
      retries += 1
    }
  }
}

function headersOf({ ifMatch, ifNoneMatch, requestId, idempotencyKey }: Options, { keyed }: Traits): Record<string, string> {
  return {
    ...(keyed && { 'Idempotency-Key': idempotencyKey ?? newIdempotencyKey() }),
    ...(ifMatch !== undefined && { 'If-Match': ifMatch }),
    ...(ifNoneMatch !== undefined && { 'If-None-Match': ifNoneMatch }),
    ...(requestId !== undefined && { 'X-Request-Id': requestId }),
  }
}

const isAboutToken = (failure: Error) => failure instanceof DocketError && (failure.code === 'TOKEN_EXPIRED' || failure.code === 'UNAUTHENTICATED')

function outcomeOf({ data, error, response }: Result<unknown>, traits: Traits): Answer<unknown> | DocketError | DocketConnectionError {
  const unreadable = error instanceof SyntaxError
  // What else is an Error is a body that broke off; the body of an error answer is none.
  if (response === undefined || (error instanceof Error && !unreadable))
    return new DocketConnectionError('The server did not answer.', { cause: error })
  const { ok, status, headers } = response
  const answered = ok || status === traits.answer
  const empty = status === 202 || status === 204 || status === 304
  // Else it is some page that answers 200, such as that of a front end.
  const expected = headers.get('content-type')?.startsWith(traits.streams === true ? 'text/event-stream' : 'application/json') && !unreadable
  if (data instanceof ReadableStream && !expected) void data.cancel()
  if (!answered || !(empty || expected)) return new DocketError(response, unreadable ? undefined : (error ?? data))
  return {
    data: empty ? undefined : ok ? data : error,
    status,
    headers,
    requestId: headers.get('x-request-id') ?? undefined,
    // Only some answers are declared to have one. Where a proxy has taken it away, the empty one is refused as If-Match; none would let any change through.
    etag: headers.get('etag') ?? '',
  } as Answer<unknown>
}
