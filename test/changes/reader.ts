import { checkAnswer, checkValue } from '../support/contract-check.ts'
import type { Change } from './replica.ts'

export type StreamedEvent = Readonly<{ id: string; event: string | undefined; change: Change | undefined }>

export type Reader = Readonly<{
  /** The next event; undefined when the stream has ended. Heartbeats and times to wait are passed over. */
  next(): Promise<StreamedEvent | undefined>
  /** Lines that were no events: `retry: …` and comments. */
  others: readonly string[]
  cut(): void
}>

/** Opens a stream of events and checks every change against the document. */
export async function readEvents(url: string, token: string, position: { lastEventId?: string; cursor?: string } = {}): Promise<Reader> {
  const controller = new AbortController()
  const query = position.cursor === undefined ? '' : `?cursor=${position.cursor}`
  const response = await fetch(`${url}/api/v1/events${query}`, {
    headers: { Authorization: `Bearer ${token}`, ...(position.lastEventId !== undefined && { 'Last-Event-ID': position.lastEventId }) },
    signal: controller.signal,
  })
  const body = response.status === 200 ? '' : await response.text()
  checkAnswer('streamEvents', response.status, response.headers, body)
  if (response.status !== 200) throw new Error(`streamEvents answered ${response.status}: ${body}`)

  const others: string[] = []
  // Locked from here on: fetch cancels a body that nobody has begun to read when its response is collected as garbage.
  const events = eventsOf((response.body as ReadableStream<Uint8Array>).values(), others)
  return {
    others,
    next: async () => (await events.next()).value ?? undefined,
    cut: () => controller.abort(),
  }
}

async function* eventsOf(body: AsyncIterable<Uint8Array>, others: string[]): AsyncGenerator<StreamedEvent, undefined> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true })
    const frames = text.split('\n\n')
    text = frames.pop() ?? ''
    for (const frame of frames) {
      const fields = new Map(frame.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const))
      const [id, data] = [fields.get('id'), fields.get('data')]
      if (id === undefined) {
        others.push(frame)
        continue
      }
      const change = data === undefined ? undefined : (JSON.parse(data) as Change)
      if (change !== undefined) checkValue({ $ref: '#/components/schemas/Change' }, change)
      yield { id, event: fields.get('event'), change }
    }
  }
  return undefined
}
