import { setTimeout as sleep } from 'node:timers/promises'
import { collectDefaultMetrics, Gauge, type Registry } from '@prometheus-io/client'
import type { DatabaseConnection } from '../database/database.ts'
import type { Jobs } from '../jobs/jobs.ts'
import { listQueueStates, type QueueState } from '../jobs/queries.ts'
import { VERSION } from '../version.ts'
import { collectCounter, collectGauge } from './collected.ts'

/** Prometheus gives a scrape ten seconds; what is known without the database should not wait for it. */
const PATIENCE_MILLISECONDS = 2000

/** What every process has, one that only works jobs as well. No label is named job or instance, which Prometheus sets itself: a job is told by its queue. */
export function collectProcess(registry: Registry, database: DatabaseConnection, jobs: Jobs): void {
  collectDefaultMetrics({ register: registry })
  const build = { name: 'docket_build_info', help: 'Always 1; the labels say what runs.', labelNames: ['version', 'node'], registers: [registry] }
  new Gauge(build).set({ version: VERSION, node: process.version }, 1)
  collectConnections(registry, database)
  collectQueues(registry, database)
  collectCounter(registry, {
    name: 'docket_job_attempts_total',
    help: 'Tries of jobs in this process, by how they ended; those that failed are tried again.',
    labelNames: ['queue', 'outcome'],
    read: () => [...jobs.attempts].map(([queue, outcome, count]) => [{ queue, outcome }, count]),
  })
  collectEffects(registry, jobs)
}

function collectConnections(registry: Registry, database: DatabaseConnection): void {
  collectGauge(registry, {
    name: 'docket_database_connections',
    help: 'Open connections to the database by pool, in use (busy) and not (idle); main, pipelines and writers serve most requests.',
    labelNames: ['pool', 'state'],
    read: () =>
      database.connections().flatMap(({ name: pool, open, idle }) => [
        [{ pool, state: 'busy' }, open - idle],
        [{ pool, state: 'idle' }, idle],
      ]),
  })
  collectGauge(registry, {
    name: 'docket_database_connections_limit',
    help: 'How many connections a pool may open.',
    labelNames: ['pool'],
    read: () => database.connections().map(({ name: pool, most }) => [{ pool }, most]),
  })
  collectGauge(registry, {
    name: 'docket_database_waiting',
    help: 'What waits for a connection of a pool; of pipelines, writers and lookups, statements that were sent and are not answered.',
    labelNames: ['pool'],
    read: () => database.connections().map(({ name: pool, waiting }) => [{ pool }, waiting]),
  })
}

/** Queues are read at a scrape, once for all that is told of them, over connections that requests cannot exhaust. */
function collectQueues(registry: Registry, { reservedDb: db }: DatabaseConnection): void {
  const queues = readTogether(() => listQueueStates(db))
  const gauge = (name: string, help: string, value: (queue: QueueState) => number) =>
    collectGauge(registry, {
      name,
      help,
      labelNames: ['queue'],
      read: async () => (await queues()).map((queue) => [{ queue: queue.name }, value(queue)]),
    })
  gauge('docket_jobs_due', 'Jobs that could be worked now and wait, of all instances.', ({ due }) => due)
  gauge('docket_jobs_running', 'Jobs that are worked now, on all instances.', ({ running }) => running)
  gauge('docket_jobs_oldest_due_seconds', 'For how long the oldest job that waits could have been worked.', ({ oldest_seconds }) => oldest_seconds)
  gauge('docket_jobs_dead', 'Jobs that were given up and are kept, for 90 days, of all instances.', ({ dead }) => dead)
}

/** All who ask while an answer is on its way get that one; none when it does not come in time. */
function readTogether<Row>(read: () => Promise<readonly Row[]>): () => Promise<readonly Row[]> {
  let reading: Promise<readonly Row[]> | undefined
  return () => {
    reading ??= read()
      .catch(() => [])
      .finally(() => {
        reading = undefined
      })
    return Promise.race([reading, sleep(PATIENCE_MILLISECONDS, [], { ref: false })])
  }
}

/** There from the start with 0, so that the first one shows as an increase. */
function collectEffects(registry: Registry, { effects }: Jobs): void {
  collectCounter(registry, {
    name: 'docket_webhook_deliveries_total',
    help: 'Tries of deliveries of webhooks by this process, by what became of the delivery.',
    labelNames: ['outcome'],
    read: () => ['delivered', 'retrying', 'failed', 'dropped'].map((outcome) => [{ outcome }, effects.of('webhook delivery', outcome)]),
  })
  collectCounter(registry, {
    name: 'docket_reminders_fired_total',
    help: 'Reminders that this process fired.',
    read: () => [[{}, effects.of('reminder', 'fired')]],
  })
  collectCounter(registry, {
    name: 'docket_mails_total',
    help: 'Mails that this process sent, or could not send.',
    labelNames: ['outcome'],
    read: () => ['sent', 'failed'].map((outcome) => [{ outcome }, effects.of('mail', outcome)]),
  })
}
