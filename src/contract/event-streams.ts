import type { Server } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { EventStream, StreamedEvent } from './types.ts'

/** How often something is sent in any case, so that proxies keep the connection, and one that has died is found when TCP gives up. */
const HEARTBEAT_MILLISECONDS = 15_000
/** Milliseconds that a client should wait before it connects again. Spread, since all come back at once when an instance stops. */
const reconnection = () => 500 + Math.floor(Math.random() * 1500)

export const EVENT_STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  // nginx would hold events back until its buffer is full.
  'x-accel-buffering': 'no',
}

const open = new WeakMap<Server, Set<EventFrames>>()
const stopping = new WeakSet<Server>()

/** The body of an answer of Server-Sent Events (HTML §9.2), until its reader goes, they end, or the server stops; none for HEAD. */
export function framesOf(
  { method, server: { server } }: FastifyRequest,
  events: EventStream,
  serialize: (data: unknown) => string,
): Readable | undefined {
  if (method === 'HEAD') return void events.return()
  const frames = new EventFrames(events, serialize)
  const others = open.get(server) ?? new Set()
  open.set(server, others.add(frames))
  frames.once('close', () => others.delete(frames))
  if (stopping.has(server)) frames.end()
  return frames
}

/** Ends every stream of a server that stops, with the time after which to come back, and those that are opened yet. */
export function endEventStreams(server: Server): void {
  stopping.add(server)
  for (const frames of open.get(server) ?? []) frames.end()
}

/**
 * The text of a stream. An event is taken only when there is room for it, so what a slow reader has not taken stays where it came from; one who takes
 * nothing from one heartbeat to the next is cut off.
 */
export class EventFrames extends Readable {
  readonly #events: EventStream
  readonly #serialize: (data: unknown) => string
  readonly #heartbeat: NodeJS.Timeout
  #taking = false
  #over = false
  #stuck = false

  constructor(events: EventStream, serialize: (data: unknown) => string) {
    super({ encoding: 'utf8' })
    this.#events = events
    this.#serialize = serialize
    this.push(`retry: ${reconnection()}\n\n`)
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MILLISECONDS).unref()
  }

  end(): void {
    if (this.#over || this.destroyed) return
    this.#over = true
    this.push(`retry: ${reconnection()}\n\n`)
    this.push(null)
  }

  override _read(): void {
    this.#stuck = false
    if (this.#taking || this.#over) return
    this.#taking = true
    this.#events.next().then(
      ({ done, value }) => {
        if (this.destroyed || this.#over) return
        this.#taking = false
        if (done === true) this.end()
        else this.push(this.#frameOf(value))
      },
      (error) => this.destroy(error),
    )
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearInterval(this.#heartbeat)
    void this.#events.return()
    done(error)
  }

  #frameOf({ id, event, data }: StreamedEvent): string {
    const lines = event === undefined ? '' : `event: ${event}\n`
    return `id: ${id}\n${lines}${data === undefined ? '' : `data: ${this.#serialize(data)}\n`}\n`
  }

  #beat(): void {
    if (this.readableLength === 0 && !this.#over) return void this.push(': heartbeat\n\n')
    if (this.#stuck) this.destroy()
    this.#stuck = true
  }
}
