import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'

type Attribute = Readonly<{ key: string; value: Readonly<Record<string, unknown>> }>

/** As OTLP has it in JSON. */
type WireSpan = Readonly<{
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  attributes: readonly Attribute[]
  events: readonly unknown[]
  status: Readonly<{ code: number; message?: string }>
}>
type Request = Readonly<{
  resourceSpans: readonly {
    resource: { attributes: readonly Attribute[] }
    scopeSpans: readonly { scope: { name: string }; spans: readonly WireSpan[] }[]
  }[]
}>

export type CollectedSpan = Omit<WireSpan, 'attributes'> &
  Readonly<{ scope: string; service: unknown; attributes: Readonly<Record<string, unknown>> }>

/** Takes traces by OTLP over HTTP, as collectors do. */
export async function startCollector(t: Test): Promise<Readonly<{ url: string; spans: readonly CollectedSpan[]; raw(): string }>> {
  const spans: CollectedSpan[] = []
  let raw = ''
  const server = createServer(async (request, response) => {
    const body = await text(request)
    response.setHeader('Content-Type', 'application/json').end('{}')
    if (request.url !== '/v1/traces') return
    raw += body
    for (const { resource, scopeSpans } of (JSON.parse(body) as Request).resourceSpans) {
      const service = valuesOf(resource.attributes)['service.name']
      for (const { scope, spans: sent } of scopeSpans)
        spans.push(...sent.map((span) => ({ ...span, scope: scope.name, service, attributes: valuesOf(span.attributes) })))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, raw: () => raw }
}

const valuesOf = (attributes: readonly Attribute[]) => Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
