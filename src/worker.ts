/**
 * Works jobs and serves no requests, so that the instances of the API can run with JOBS=off. It works them whatever JOBS says, since both may share
 * their settings.
 */
import { ConfigError, readConfig } from './config.ts'
import { explainFailure } from './explain.ts'
import { endAtDefects, endOnSignals } from './lifetime.ts'
import { createLogger } from './log.ts'
import { releaseMemory } from './memory.ts'
import { createContext } from './startup.ts'

const DAY_MILLISECONDS = 86_400_000

async function main(): Promise<void> {
  const config = readConfig()
  if (config.database.kind === 'embedded') {
    throw new ConfigError(['DATABASE_URL must be set: the embedded database has one process alone, the server, which works the jobs by itself'])
  }
  const logger = createLogger(config.log)
  endAtDefects(logger)
  const endWith = endOnSignals(logger)
  const { context, database } = await createContext({ ...config, jobs: true }, logger)
  const metrics = config.metrics && new (await import('./metrics/metrics.ts')).Metrics(database, context.jobs)
  const closeMetrics = config.metrics && (await metrics?.serve(config.metrics, logger))
  // While the database is away, nothing else keeps the process alive.
  setInterval(() => undefined, DAY_MILLISECONDS)
  endWith({ finish: () => context.jobs.stop(), close: () => Promise.all([database.close(), closeMetrics?.()]) })
  releaseMemory()
  logger.info('Docket works jobs')
}

await explainFailure(main)
