import { setFlagsFromString } from 'node:v8'
import { buildApp } from './app.ts'
import { readConfig } from './config.ts'
import { explainFailure } from './explain.ts'
import { drain, watchSilentConnections } from './http/shutdown.ts'
import { endAtDefects, endOnSignals } from './lifetime.ts'
import { createLogger } from './log.ts'
import { releaseMemory } from './memory.ts'
import { createContext } from './startup.ts'
import { startThreadPool } from './thread-pool.ts'

async function main(): Promise<void> {
  // After some seconds of load V8 would take the rows of answers for long-lived and make them where only a full collection finds them: 490 MB instead
  // of 300 with pages of 20 tasks.
  setFlagsFromString('--no-allocation-site-pretenuring')
  const config = readConfig()
  startThreadPool(config.auth.passwordHash.concurrent)
  const logger = createLogger(config.log)
  endAtDefects(logger)
  const endWith = endOnSignals(logger)

  // Neither is loaded where the settings do not ask for it.
  const tracing = config.tracing && (await import('./tracing/tracing.ts')).startTracing(config.tracing, logger)
  const { context, database } = await createContext(config, logger)
  const metrics = config.metrics && new (await import('./metrics/metrics.ts')).Metrics(database, context.jobs)
  const app = await buildApp(context, undefined, { metrics, tracing })
  const closeMetrics = config.metrics && (await metrics?.serve(config.metrics, logger))
  const closeSilentConnections = watchSilentConnections(app.server)
  await app.listen({
    // For ::1 Fastify would make a second server, which has none of the guards of app.server, and which app.close() does not wait for.
    host: config.host === 'localhost' ? '127.0.0.1' : config.host,
    port: config.port,
    listenTextResolver: (address) => `Docket listens on ${address}`,
  })
  const address = app.server.address()
  const port = typeof address === 'object' && address !== null ? address.port : config.port
  logger.info(`Docs: http://localhost:${port}/docs`)

  endWith({
    finish() {
      context.lifecycle.draining = true
      return Promise.all([drain(app, config.shutdownGraceMilliseconds, closeSilentConnections), context.jobs.stop()])
    },
    close: () => Promise.all([database.close(), tracing?.stop(), closeMetrics?.()]),
  })
  await app.warmUp()
  if (app.server.listening) releaseMemory()
}

await explainFailure(main)
