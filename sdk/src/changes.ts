import type { Answer, Call, CallOptions } from './call.js'
import { ChangeStream } from './change-stream.js'
import { listChanges } from './generated/sdk.gen.js'
import type { ChangePage, ListChangesData } from './generated/types.gen.js'
import type { Transport } from './transport.js'

export type ChangesQuery = NonNullable<ListChangesData['query']>

export type StreamOptions = Readonly<{
  /** Begin after this cursor, of a page or of a stream, instead of now. */
  cursor?: string | undefined
  /** Ends the stream; it rejects with the signal's own reason. */
  signal?: AbortSignal | undefined
}>

export class Changes {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** The changes after a cursor, or from the beginning. Go on with `nextCursor` while `hasMore`, and with the last one when you come back. */
  list(query: ChangesQuery = {}, options: CallOptions = {}): Call<Answer<ChangePage>> {
    return this.#transport.call((wire) => listChanges({ ...wire, query }), options)
  }

  /** The changes from now on, or after a cursor, as they come: `for await (const change of docket.changes.stream())`. */
  stream(options: StreamOptions = {}): ChangeStream {
    return new ChangeStream(this.#transport, options)
  }
}
