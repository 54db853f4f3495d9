import { buildApp } from './app.ts'
import { ConfigError, readConfig } from './config.ts'
import { DirectoryInUseError } from './database/embedded.ts'
import { drain } from './http/shutdown.ts'
import { createLogger } from './log.ts'
import { createContext } from './startup.ts'

const HARD_STOP_MILLISECONDS = 10_000

async function main(): Promise<void> {
  const config = readConfig()
  const logger = createLogger(config.log)
  // A defect that nobody caught: the state is unknown, so the process ends and whoever supervises it starts another.
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'uncaught exception')
    process.exit(1)
  })

  const { context, database } = await createContext(config, logger)
  const app = await buildApp(context)
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
    await drain(app, config.shutdownGraceMilliseconds)
    await database.close()
    logger.info('stopped')
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

try {
  await main()
} catch (error) {
  // What people can mend themselves is said in one sentence, anything else with its stack.
  const expected = error instanceof ConfigError || error instanceof DirectoryInUseError
  const inUse = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
  process.stderr.write(
    `${inUse ? `${error.message}. Stop the other process, or set PORT to another port.` : expected ? error.message : error instanceof Error ? error.stack : error}\n`,
  )
  process.exit(1)
}
