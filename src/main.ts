import { buildApp } from './app.ts'
import { readConfig } from './config.ts'
import { explainFailure } from './explain.ts'
import { drain, watchSilentConnections } from './http/shutdown.ts'
import { createLogger } from './log.ts'
import { createContext } from './startup.ts'
import { lowerThreadPoolPriority } from './thread-pool.ts'

const HARD_STOP_MILLISECONDS = 10_000

async function main(): Promise<void> {
  await lowerThreadPoolPriority()
  const config = readConfig()
  const logger = createLogger(config.log)
  // A defect that nobody caught: the state is unknown, so the process ends and whoever supervises it starts another.
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'uncaught exception')
    process.exit(1)
  })

  const { context, database } = await createContext(config, logger)
  const app = await buildApp(context)
  const closeSilentConnections = watchSilentConnections(app.server)
  await app.listen({
    host: config.host,
    port: config.port,
    listenTextResolver: (address) => `Docket listens on ${address}`,
  })
  const address = app.server.address()
  const port = typeof address === 'object' && address !== null ? address.port : config.port
  logger.info(`Docs: http://localhost:${port}/docs`)

  const stop = async (signal: string) => {
    // Asked a second time, or not done in time: at once.
    if (context.lifecycle.draining) process.exit(1)
    context.lifecycle.draining = true
    setTimeout(() => process.exit(1), HARD_STOP_MILLISECONDS).unref()
    logger.info(`${signal}: finishing what is running`)
    await Promise.all([drain(app, config.shutdownGraceMilliseconds, closeSilentConnections), context.jobs.stop()])
    await database.close()
    logger.info('stopped')
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

await explainFailure(main)
