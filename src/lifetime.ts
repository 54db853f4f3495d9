import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'

const HARD_STOP_MILLISECONDS = 10_000
const CLOSE_MILLISECONDS = 1500

/** A defect that nobody caught: the state is unknown, so the process ends and whoever supervises it starts another. */
export function endAtDefects(logger: Logger): void {
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'uncaught exception')
    process.exit(1)
  })
}

/** What is done at the end: first what requests and jobs are in the middle of comes to its end, then connections are closed. */
export type End = Readonly<{ finish(): Promise<unknown>; close(): Promise<unknown> }>

/**
 * From now on SIGTERM and SIGINT end the process. The first process of a container would not get them at all, were they not asked for. While it starts it
 * ends at once, and so it does when asked a second time, or when what is running is not finished in time.
 * @returns what is told, after the start, what to do at the end
 */
export function endOnSignals(logger: Logger): (end: End) => void {
  let end: End | undefined
  let ending = false
  const stop = async (signal: string) => {
    if (ending) process.exit(1)
    ending = true
    if (end === undefined) {
      logger.info(`${signal}: stopped during the start`)
      process.exit(0)
    }
    setTimeout(() => process.exit(1), HARD_STOP_MILLISECONDS).unref()
    logger.info(`${signal}: finishing what is running`)
    await end.finish()
    // All is done and answered: a database or a collector of traces that says nothing any more is not worth more time.
    await Promise.race([end.close(), sleep(CLOSE_MILLISECONDS)])
    logger.info('stopped')
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  return (told) => {
    end = told
  }
}
