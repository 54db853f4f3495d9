import { statfs } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { getHeapStatistics } from 'node:v8'
import { sql } from 'kysely'
import type { components } from '../../generated/api.ts'
import type { Context } from '../context.ts'
import type { Database } from '../database/database.ts'
import { isMigrated } from '../database/migrate.ts'
import { countDueJobs } from '../jobs/queries.ts'

type Check = components['schemas']['HealthCheck']

const DATABASE_TIMEOUT_MILLISECONDS = 1000
/** A network's file system may hang. */
const DISK_TIMEOUT_MILLISECONDS = 1000
/** A long queue takes a while to count. */
const QUEUE_READING_MILLISECONDS = 5000
/** V8 ends the process when the heap is full; above this share it spends its time on garbage. */
const FULLEST_HEAP = 0.95
/** Bytes that must be free where data or temporary files go. */
const LEAST_FREE_DISK = 64 * 1024 * 1024

const healthy = (detail: string): Check => ({ status: 'healthy', detail })
const unhealthy = (detail: string): Check => ({ status: 'unhealthy', detail })

export async function checkDatabase(db: Database): Promise<Check> {
  const startedAt = performance.now()
  const answered = sql`select 1`.execute(db).then(
    () => true,
    () => false,
  )
  const inTime = await Promise.race([answered, sleep(DATABASE_TIMEOUT_MILLISECONDS, false, { ref: false })])
  return inTime ? healthy(`${Math.ceil(performance.now() - startedAt)} ms`) : unhealthy('no answer')
}

export async function checkMigrations(db: Database): Promise<Check> {
  const current = await Promise.race([isMigrated(db).catch(() => false), sleep(DATABASE_TIMEOUT_MILLISECONDS, false, { ref: false })])
  return current ? healthy('up to date') : unhealthy('not up to date')
}

/**
 * A queue that waits or fails is shown, and leaves it at that: requests do not wait for it, and it may be due to a mail server. What is unhealthy is
 * this process that cannot send jobs, or does not work them as it should.
 */
export class JobsCheck {
  readonly #jobs: Context['jobs']
  readonly #db: Database
  #reading: Promise<string> | undefined
  #readAt = Number.NEGATIVE_INFINITY

  constructor({ jobs, db }: Pick<Context, 'jobs' | 'db'>) {
    this.#jobs = jobs
    this.#db = db
  }

  async run(): Promise<Check> {
    const fault = this.#jobs.fault()
    if (fault !== undefined) return unhealthy(fault)
    return healthy(await Promise.race([this.#read(), sleep(DATABASE_TIMEOUT_MILLISECONDS, 'they cannot be counted', { ref: false })]))
  }

  #read(): Promise<string> {
    const now = performance.now()
    if (this.#reading === undefined || now - this.#readAt >= QUEUE_READING_MILLISECONDS) {
      this.#readAt = now
      this.#reading = countDueJobs(this.#db).then(
        ({ due, oldestSeconds }) => (due === 0 ? 'none due' : `${due} due, the oldest for ${oldestSeconds} s`),
        () => 'they cannot be counted',
      )
    }
    return this.#reading
  }
}

export function checkMemory(): Check {
  const { used_heap_size, heap_size_limit } = getHeapStatistics()
  const share = used_heap_size / heap_size_limit
  return (share < FULLEST_HEAP ? healthy : unhealthy)(`${Math.round(share * 100)} % of the heap used`)
}

/** One at a time: each that hangs holds a thread that passwords are hashed on. */
let diskReading: Promise<number | undefined> | undefined

export async function checkDisk({ database }: Context['config']): Promise<Check> {
  diskReading ??= statfs((database.kind === 'embedded' && database.directory) || '.')
    .then(
      ({ bavail, bsize }) => bavail * bsize,
      () => undefined,
    )
    .finally(() => {
      diskReading = undefined
    })
  const free = await Promise.race([diskReading, sleep(DISK_TIMEOUT_MILLISECONDS, undefined, { ref: false })])
  if (free === undefined) return unhealthy('what is free cannot be told')
  return (free >= LEAST_FREE_DISK ? healthy : unhealthy)(`${Math.round(free / 1024 / 1024)} MiB free`)
}
