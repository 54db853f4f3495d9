import type { Logger } from 'pino'

const HARD_STOP_MILLISECONDS = 10_000

/** A defect that nobody caught: the state is unknown, so the process ends and whoever supervises it starts another. */
export function endAtDefects(logger: Logger): void {
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'uncaught exception')
    process.exit(1)
  })
}

/** On SIGTERM and SIGINT the process does what is to be done at its end; asked a second time, or not done in time, it ends at once. */
export function endOnSignals(logger: Logger, end: () => Promise<void>): void {
  let ending = false
  const stop = async (signal: string) => {
    if (ending) process.exit(1)
    ending = true
    setTimeout(() => process.exit(1), HARD_STOP_MILLISECONDS).unref()
    logger.info(`${signal}: finishing what is running`)
    await end()
    logger.info('stopped')
    // All is done and answered. What still waits now, such as for a collector of traces that does not answer, is not worth more time.
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}
