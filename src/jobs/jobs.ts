import { setTimeout as sleep } from 'node:timers/promises'
import { CompiledQuery, sql } from 'kysely'
import { type JobResult, type JobWithMetadata, PgBoss } from 'pg-boss'
import type { Logger } from 'pino'
import { Counts } from '../counts.ts'
import type { Database, DatabaseConnection } from '../database/database.ts'
import { NOTIFICATION_CHANNEL } from '../database/notifications.ts'
import { unavailable } from '../problem.ts'
import { type JobDefinition, PermanentFailure, type Sweep, type Worker } from './definitions.ts'
import { DEAD_JOBS, prepareQueues, prepareSchedules } from './queues.ts'
import { Sweeping } from './sweeping.ts'

export type JobSettings = Readonly<{
  /** Whether this process works jobs, or only sends them. */
  works: boolean
  /** How often a worker looks for jobs that nobody told it of: those that are due again, and those of a killed process. Seconds, 0.5 or more. */
  pollSeconds?: number
  /** How often a sweep runs that nobody wakes. Seconds. */
  sweepSeconds?: number
  /** How often one of the instances looks for jobs that have run out of time. Seconds, 1 or more. */
  superviseSeconds?: number
  /** How long a worker may not have looked for jobs, or a sweep may run, before readiness says so. Seconds. */
  stuckSeconds?: number
  /** How long running jobs may go on when the process is told to stop; the default leaves main.ts the time for the rest. */
  stopMilliseconds?: number
}>

/** The longest that stopping then waits for a database that does not answer. */
const GIVE_BACK_MILLISECONDS = 1500
const RESTART_MILLISECONDS = 1000
/** A missing database makes every worker complain at each poll. */
const COMPLAINT_MILLISECONDS = 10_000
const HOUR = 3600
/** How many times less often a worker looks for what repeats, once an hour or a night: half of all queues hold nothing else. */
const REPEATED_POLL_FACTOR = 10

const MESSAGE = 'job:'

/**
 * Background jobs, kept by pg-boss in the schema `pgboss` of our database. They are sent in the transaction of the work that they follow from, so
 * that they come into being with its commit, and are worked by whichever instance gets hold of them, at least once.
 */
export class Jobs {
  /** How tries of jobs have ended in this process, by the name of the job. */
  readonly attempts = new Counts<string, 'completed' | 'failed' | 'given up'>()
  /** What jobs and sweeps have brought about in this process, such as mails, as their features tell it. */
  readonly effects = new Counts()
  readonly #connection: DatabaseConnection
  readonly #settings: JobSettings
  readonly #logger: Logger
  readonly #stopping = new AbortController()
  /** Sends as soon as it is there, also after it was stopped. */
  #boss: PgBoss | undefined
  #stopped: Promise<void> | undefined
  #lastComplaint = Number.NEGATIVE_INFINITY
  /** What wakes the workers of each job. */
  readonly #wake = new Map<string, () => void>()
  #sweepings: readonly Sweeping[] = []

  constructor(connection: DatabaseConnection, settings: JobSettings, logger: Logger) {
    this.#connection = connection
    this.#settings = settings
    this.#logger = logger
    if (!settings.works) return
    connection.notifications.subscribe((message) => {
      // Without a message some may have been lost.
      if (message === undefined) for (const wake of this.#wake.values()) wake()
      else if (message.startsWith(MESSAGE)) this.#wake.get(message.slice(MESSAGE.length))?.()
      for (const sweeping of this.#sweepings) sweeping.hear(message)
    })
  }

  /**
   * Adds a job to what the transaction does; it is worked soon after the commit.
   * @param db the transaction of the work that the job follows from
   * @param after when it may be worked, if not at once
   * @param tried how many of its tries it has had as another job: the pauses between those that are left go on from there
   * @throws Problem 503 while the database could not be reached since the start
   */
  async send<Payload extends object>(
    db: Database,
    { name, tries, firstPause, longestPause, groupOf, priorityOf }: JobDefinition<Payload>,
    payload: NoInfer<Payload>,
    { after, tried = 0 }: Readonly<{ after?: Date; tried?: number }> = {},
  ): Promise<void> {
    if (this.#boss === undefined) throw unavailable('Jobs cannot be sent at the moment.')
    const executeSql = async (text: string, values: unknown[] = []) => {
      const { rows } = await db.executeQuery(CompiledQuery.raw(text, values))
      return { rows }
    }
    const options = {
      db: { executeSql },
      ...(after && { startAfter: after }),
      ...(tried > 0 && { retryLimit: tries - 1 - tried, retryDelay: Math.min(firstPause * 2 ** tried, longestPause) }),
      ...(groupOf && { group: { id: groupOf(payload) } }),
      ...(priorityOf && { priority: priorityOf(payload) }),
    }
    await this.#boss.send(name, payload, options)
    if (after === undefined) await sql`select pg_notify(${NOTIFICATION_CHANNEL}, ${MESSAGE + name})`.execute(db)
  }

  /**
   * What keeps jobs from being sent or worked by this process, such as `send-mail-token has not been looked for in the last 60 s`, or undefined. Jobs
   * that fail or wait do not: a mail server that is away must not take the API along.
   */
  fault(): string | undefined {
    const { stuckSeconds = 60 } = this.#settings
    if (this.#boss === undefined) return 'they have not been started'
    const longAgo = Date.now() - stuckSeconds * 1000
    const workers = this.#boss.getWipData()
    // Of many workers that wait, one looks for all.
    const looked = new Set(workers.filter(({ lastFetchedOn, createdOn }) => (lastFetchedOn ?? createdOn) >= longAgo).map(({ name }) => name))
    const idle = workers.find(({ count, name }) => count === 0 && !looked.has(name))
    if (idle !== undefined) return `${idle.name} has not been looked for in the last ${stuckSeconds} s`
    const hanging = this.#sweepings.find(({ runSeconds }) => runSeconds > stuckSeconds)
    return hanging && `${hanging.name} has been running for more than ${stuckSeconds} s`
  }

  /**
   * Makes sending possible and starts the workers and the sweeps. If the database or its schema is not there yet, that happens later, by itself.
   * @param workers every job, also where none are worked: their queues must exist before anything is sent
   */
  async start(workers: readonly Worker[], sweeps: readonly Sweep[] = []): Promise<void> {
    requireDifferentNames([...workers.map(({ definition }) => definition), ...sweeps])
    try {
      await this.#open(workers, sweeps)
    } catch (error) {
      this.#complain(error)
      void this.#openLater(workers, sweeps)
    }
  }

  /**
   * Takes no further jobs, and resolves when those that run have ended, sweeps too, or have been given back for a later try because they take too long.
   * Sending goes on until the database is closed.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #openLater(workers: readonly Worker[], sweeps: readonly Sweep[]): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await sleep(RESTART_MILLISECONDS, undefined, { ref: false, signal: this.#stopping.signal }).catch(() => undefined)
      if (this.#stopping.signal.aborted) return
      try {
        return await this.#open(workers, sweeps)
      } catch (error) {
        if (!this.#stopping.signal.aborted) this.#complain(error)
      }
    }
  }

  async #open(workers: readonly Worker[], sweeps: readonly Sweep[]): Promise<void> {
    const { works, sweepSeconds = 1, superviseSeconds = 10 } = this.#settings
    const definitions = workers.map(({ definition }) => definition)
    const boss = new PgBoss({
      db: { executeSql: this.#connection.executeSql },
      // Where our own migrations are (install.ts).
      migrate: false,
      supervise: works,
      schedule: works && definitions.some(({ cron }) => cron !== undefined),
      superviseIntervalSeconds: superviseSeconds,
      monitorIntervalSeconds: superviseSeconds,
      // We have no jobs that wait for others.
      flowIntervalSeconds: HOUR,
    })
    boss.on('error', (error) => this.#complain(error))
    boss.on('warning', ({ message }) => this.#logger.warn({ warning: message }, 'jobs'))
    try {
      await boss.start()
      await prepareQueues(boss, definitions)
      if (works) {
        await prepareSchedules(boss, definitions)
        for (const worker of workers) await this.#work(boss, worker)
        await this.#reportDead(boss)
      }
      this.#stopping.signal.throwIfAborted()
      this.#boss = boss
      if (works) this.#sweepings = sweeps.map((sweep) => new Sweeping(sweep, sweepSeconds * 1000, this.#stopping.signal, this.#logger))
    } catch (error) {
      await boss.stop({ graceful: false }).catch(() => undefined)
      throw error
    }
  }

  /**
   * Whoever finds a job has another worker look for the next one, and only one looks when there may be none: so looking costs the same whether there is
   * one worker or a hundred, and no two look for the same group at once.
   */
  async #work(boss: PgBoss, worker: Worker): Promise<void> {
    const { name, concurrency, groupOf, cron } = worker.definition
    const pollSeconds = (this.#settings.pollSeconds ?? 2) * (cron === undefined ? 1 : REPEATED_POLL_FACTOR)
    const options = {
      pollingIntervalSeconds: pollSeconds * concurrency,
      includeMetadata: true,
      perJobResults: true,
      ...(groupOf && { localGroupConcurrency: 1 }),
    } as const
    for (const outcome of ['completed', 'failed', 'given up'] as const) this.attempts.add(name, outcome, 0)
    const idle = new Set<string>()
    const wakeOne = () => {
      const [id] = idle
      if (id !== undefined) boss.notifyWorker(id)
    }
    for (let count = 0; count < concurrency; count++) {
      const id: string = await boss.work<object, unknown, typeof options>(name, options, async (jobs) => {
        idle.delete(id)
        wakeOne()
        // Then it looks for the next one as soon as this one has ended.
        boss.notifyWorker(id)
        return Promise.all(jobs.map((job) => this.#attempt(worker, job))).finally(() => idle.add(id))
      })
      idle.add(id)
    }
    const polling = setInterval(wakeOne, pollSeconds * 1000).unref()
    this.#stopping.signal.addEventListener('abort', () => clearInterval(polling), { once: true })
    this.#wake.set(name, wakeOne)
  }

  /**
   * Logs the jobs that were given up because nobody ended them in time, as where a process was killed in the last try of one: pg-boss finds them, and
   * says so here alone. They go on being kept.
   */
  async #reportDead(boss: PgBoss): Promise<void> {
    const options = { pollingIntervalSeconds: this.#settings.pollSeconds ?? 2, includeMetadata: true, batchSize: 100 } as const
    const id = await boss.work<object, void, typeof options>(DEAD_JOBS, options, async (jobs) => {
      for (const { sourceName, sourceId, sourceRetryCount, sourceOutput } of jobs) {
        if (sourceOutput !== null && 'message' in sourceOutput) continue
        const attempt = (sourceRetryCount ?? 0) + 1
        this.#logger.error({ job: sourceName, jobId: sourceId, attempt, error: 'job timed out' }, 'job given up')
      }
    })
    this.#wake.set(DEAD_JOBS, () => boss.notifyWorker(id))
  }

  async #attempt({ definition, handle }: Worker, job: JobWithMetadata<object>): Promise<JobResult> {
    const { id, name, retryCount, retryLimit } = job
    const outOfTime = AbortSignal.timeout(definition.timeout * 1000)
    const signal = AbortSignal.any([outOfTime, job.signal])
    try {
      await Promise.race([handle(job.data as never, { jobId: id, number: retryCount + 1, signal }), rejectWhen(outOfTime)])
      this.attempts.add(name, 'completed')
      return { id, status: 'completed' }
    } catch (error) {
      const dead = error instanceof PermanentFailure || retryCount >= retryLimit
      this.attempts.add(name, dead ? 'given up' : 'failed')
      const line = { job: name, jobId: id, attempt: retryCount + 1, err: error }
      if (dead) this.#logger.error(line, 'job given up')
      else this.#logger.warn(line, 'job failed, to be tried again')
      // Not the error itself: drivers attach statements and answers to theirs.
      return { id, status: dead ? 'deadletter' : 'failed', output: { message: error instanceof Error ? error.message : String(error) } }
    }
  }

  async #stop(): Promise<void> {
    this.#stopping.abort()
    const boss = this.#boss
    if (boss === undefined) return
    const workersEnded = [...this.#wake.keys()].map((name) => boss.offWork(name))
    const ended = Promise.all([...workersEnded, ...this.#sweepings.map((sweeping) => sweeping.ended)])
    await Promise.race([ended, sleep(this.#settings.stopMilliseconds ?? 6000, undefined, { ref: false })])
    const givenBack = boss.stop({ graceful: false }).catch((error) => this.#complain(error))
    await Promise.race([givenBack, sleep(GIVE_BACK_MILLISECONDS, undefined, { ref: false })])
  }

  #complain(error: unknown): void {
    if (performance.now() - this.#lastComplaint < COMPLAINT_MILLISECONDS) return
    this.#lastComplaint = performance.now()
    this.#logger.warn({ error: (error as Error).message }, 'jobs cannot be worked at the moment')
  }
}

function requireDifferentNames(named: readonly Readonly<{ name: string }>[]): void {
  const names = named.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new Error(`Two jobs are named ${twice}.`)
}

function rejectWhen(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('It took too long.')), { once: true })
  })
}
