import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { FastifyOtelInstrumentation } from '@fastify/otel'
import { context, DiagLogLevel, diag, type Span, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { VERSION } from '../version.ts'
import { discreet } from './discreet-exporter.ts'

/** How long the end of the process waits for a collector to take the last spans. */
const FLUSH_MILLISECONDS = 2000
/** A collector that is away makes every batch fail. */
const COMPLAINT_MILLISECONDS = 60_000

export type Tracing = Readonly<{
  /** Before anything else is added to the server. */
  instrument(app: FastifyInstance): Promise<void>
  /** Undefined for a request that was refused before the hooks ran. */
  traceIdOf(request: FastifyRequest): string | undefined
  stop(): Promise<void>
}>

/** Begins to trace requests and the statements that they send. The SDK reads the variables of OpenTelemetry by itself: collector, sampler, limits. */
export function startTracing({ serviceName }: NonNullable<Config['tracing']>, logger: Logger): Tracing {
  complainThrough(logger)
  const own = resourceFromAttributes({ 'service.name': serviceName, 'service.version': VERSION })
  const provider = new NodeTracerProvider({
    resource: defaultResource()
      .merge(own)
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(discreet(new OTLPTraceExporter()))],
  })
  provider.register()
  instrumentDriver()
  // A span for each request and one for each statement: those of our hooks would only say how Fastify works.
  const fastify = new FastifyOtelInstrumentation({ instrumentHooks: false, instrumentHandler: false, recordExceptions: false, requestHook: describe })
  return {
    async instrument(app) {
      await app.register(fastify.plugin())
      // Reading the body has lost the context that was entered before it.
      app.addHook('preHandler', (request, _reply, done) => {
        const { context: entered } = request.opentelemetry()
        if (entered === null) done()
        else context.with(entered, done)
      })
    },
    traceIdOf(request) {
      const { context: entered } = request.opentelemetry()
      return entered === null ? undefined : trace.getSpanContext(entered)?.traceId
    },
    async stop() {
      await Promise.race([provider.shutdown().catch(() => undefined), sleep(FLUSH_MILLISECONDS, undefined, { ref: false })])
    },
  }
}

/**
 * Instruments the driver, which is CommonJS and loaded by now, without the loader hooks that ES modules need: requiring it once more has the
 * instrumentation patch the prototypes that all of our connections share, those of pipelines too.
 */
function instrumentDriver(): void {
  new PgInstrumentation({ requireParentSpan: true })
  const require = createRequire(import.meta.url)
  require('pg')
  createRequire(require.resolve('pg'))('pg-pool')
}

/** The query stays out of it, as it does of the log: it may hold what people search for. */
function describe(span: Span, request: FastifyRequest): void {
  const { method, url, routeOptions } = request
  const { url: route, config } = routeOptions
  span.updateName(route === undefined ? method : `${method} ${route}`)
  span.setAttribute('url.path', url.split('?', 1)[0] ?? '')
  span.setAttribute('docket.request_id', request.id)
  if (config?.operation !== undefined) span.setAttribute('docket.operation', config.operation.id)
}

function complainThrough(logger: Logger): void {
  let last = Number.NEGATIVE_INFINITY
  const error = (message: string) => {
    if (performance.now() - last < COMPLAINT_MILLISECONDS) return
    last = performance.now()
    logger.warn({ error: message }, 'traces cannot be sent')
  }
  const silent = () => undefined
  diag.setLogger({ error, warn: silent, info: silent, debug: silent, verbose: silent }, DiagLogLevel.ERROR)
}
