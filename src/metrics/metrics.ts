import { Registry } from '@prometheus-io/client'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { MetricsConfig } from '../config.ts'
import type { DatabaseConnection } from '../database/database.ts'
import type { Jobs } from '../jobs/jobs.ts'
import { serveMetrics } from './listener.ts'
import { collectProcess } from './process.ts'
import { timeRequests } from './requests.ts'
import { collectServer, type ServerParts } from './server.ts'

/**
 * The metrics of this process, for Prometheus. Features do not know of them: they keep plain numbers, which are read when somebody scrapes. Only requests
 * are observed one by one.
 */
export class Metrics {
  readonly #registry = new Registry()

  constructor(database: DatabaseConnection, jobs: Jobs) {
    collectProcess(this.#registry, database, jobs)
  }

  timeRequests(app: FastifyInstance): void {
    timeRequests(this.#registry, app)
  }

  collect(parts: ServerParts): void {
    collectServer(this.#registry, parts)
  }

  /** @returns what closes the listener */
  serve(config: MetricsConfig, logger: Logger): Promise<() => Promise<void>> {
    return serveMetrics(this.#registry, config, logger)
  }
}
