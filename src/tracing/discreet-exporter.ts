import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-node'

const STATUS = 'http.response.status_code'

/**
 * Keeps messages of errors back: those of the database quote values. What failed is in the log, under the same trace id. An answer of 4xx is no error of
 * the server's (semantic conventions for HTTP spans).
 */
export const discreet = (exporter: SpanExporter): SpanExporter => ({
  export: (spans, done) => exporter.export(spans.map(withoutMessages), done),
  forceFlush: async () => exporter.forceFlush?.(),
  shutdown: () => exporter.shutdown(),
})

function withoutMessages(span: ReadableSpan): ReadableSpan {
  const { kind, attributes, status } = span
  const refused = kind === SpanKind.SERVER && Number(attributes[STATUS]) < 500
  return Object.create(span, {
    events: { value: [] },
    status: { value: { code: refused ? SpanStatusCode.UNSET : status.code } },
  })
}
