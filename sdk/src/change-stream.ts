import { abortable, sleep } from './abort.js'
import type { Answer } from './call.js'
import type { StreamOptions } from './changes.js'
import { DocketConnectionError, DocketError } from './errors.js'
import type { Change } from './generated/types.gen.js'
import { backoff } from './retry.js'
import type { Transport } from './transport.js'

/** The server sends something every 15 seconds: a connection on which nothing comes for longer is dead. */
const LONGEST_SILENCE = 40_000
/** Milliseconds before it is made again, unless the server says otherwise. */
const FIRST_PAUSE = 1000

type ServerSentEvent = { id?: string; data?: string; retry?: number }

/**
 * Changes as they come. When the connection breaks, it is made again and goes on behind the last change, so none is missed or comes twice; it ends when
 * you leave the loop or with an error that does not pass, such as `CURSOR_EXPIRED`.
 */
export class ChangeStream implements AsyncIterable<Change> {
  readonly #transport: Transport
  readonly #signal: AbortSignal | undefined
  #cursor: string | undefined

  /** @internal */
  constructor(transport: Transport, { cursor, signal }: StreamOptions) {
    this.#transport = transport
    this.#cursor = cursor
    this.#signal = signal
  }

  /** Where it is: behind the change that came last. Keep it to go on from there in the next run. */
  get cursor(): string | undefined {
    return this.#cursor
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Change, void> {
    let pause = FIRST_PAUSE
    for (let failures = 0; ; ) {
      this.#signal?.throwIfAborted()
      let asked = 0
      try {
        for await (const { id, data, retry } of this.#events()) {
          if (retry !== undefined) pause = retry
          if (id !== undefined) this.#cursor = id
          if (data === undefined) continue
          failures = 0
          yield JSON.parse(data) as Change
        }
      } catch (error) {
        this.#signal?.throwIfAborted()
        if (!passes(error)) throw error
        asked = backoff(error as Error, failures)
        failures += 1
      }
      await sleep(Math.max(pause, asked), this.#signal ?? new AbortController().signal)
    }
  }

  async *#events(): AsyncGenerator<ServerSentEvent, void> {
    const headers = this.#cursor === undefined ? {} : { 'Last-Event-ID': this.#cursor }
    const { data: body } = await this.#transport.send<Answer<ReadableStream<Uint8Array>>>(
      ({ client, auth, signal, headers: others }) =>
        client.get<ReadableStream<Uint8Array>>({
          url: '/events',
          parseAs: 'stream',
          auth,
          signal,
          headers: { ...others, ...headers },
          security: BEARER,
        }),
      { signal: this.#signal },
      { streams: true },
    )
    const reader = body.getReader()
    try {
      const decoder = new TextDecoder()
      let text = ''
      for (;;) {
        const { done, value } = await this.#beforeSilence(reader.read().catch(rejectBroken))
        if (done) return
        text += decoder.decode(value, { stream: true })
        const blocks = text.split('\n\n')
        text = blocks.pop() ?? ''
        for (const block of blocks) yield eventOf(block)
      }
    } finally {
      await reader.cancel().catch(() => undefined)
    }
  }

  async #beforeSilence<T>(arrival: Promise<T>): Promise<T> {
    const silence = new AbortController()
    const timer = setTimeout(() => silence.abort(new DocketConnectionError('The stream has fallen silent.')), LONGEST_SILENCE)
    const abort = () => silence.abort(this.#signal?.reason)
    this.#signal?.addEventListener('abort', abort)
    try {
      return await abortable(arrival, silence.signal)
    } finally {
      clearTimeout(timer)
      this.#signal?.removeEventListener('abort', abort)
    }
  }
}

const rejectBroken = (cause: unknown): never => {
  throw new DocketConnectionError('The stream broke off.', { cause })
}

const BEARER = [{ scheme: 'bearer', type: 'http' }] as const

/** HTML §9.2.6, for lines as Docket ends them. */
function eventOf(block: string): ServerSentEvent {
  const event: ServerSentEvent = {}
  for (const line of block.split('\n')) {
    const colon = line.indexOf(': ')
    const [name, value] = [line.slice(0, colon), line.slice(colon + 2)]
    if (name === 'id') event.id = value
    if (name === 'data') event.data = value
    if (name === 'retry') event.retry = Number(value)
  }
  return event
}

/** What passes may take long, such as a server that is being replaced: there is no last try. */
const passes = (error: unknown) =>
  error instanceof DocketConnectionError || (error instanceof DocketError && (error.status === 429 || error.status >= 500))
