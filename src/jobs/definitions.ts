/**
 * A kind of job that features send and work. The payload says what to do by ids and a purpose, never by a secret: it stays in the database after
 * the job is done. What is secret, such as a token, is made by the handler when it runs.
 */
export type JobDefinition<Payload extends object = Record<string, never>> = Readonly<{
  /** Names its queue for ever: kebab-case, a verb first. */
  name: string
  /** How often it is tried in all before it is given up. */
  tries: number
  /** The pause after the first failure; it doubles from try to try, spread by chance, up to the longest. 0 tries again at once, always. Seconds. */
  firstPause: number
  longestPause: number
  /** Longer than this it must not run: then it counts as failed, also when its process was killed. Seconds. */
  timeout: number
  /** How many of them an instance runs at once. */
  concurrency: number
  /** In UTC, five fields: sends itself then, once for all instances. For jobs without a payload. */
  cron?: string
  /**
   * Of what a job needs for itself, such as its receiver: each instance runs one job of it at a time. Not all instances together, or the jobs of one that
   * was killed would keep the others from their turn until they are found to have run out of time (test/faults/live-data.test.ts).
   */
  groupOf?: (payload: Payload) => string
  /** Those with a higher one are worked first, whatever waits longer; 0 if not given. */
  priorityOf?: (payload: Payload) => number
  /** Only for the compiler: keeps jobs of different payloads apart. */
  payload?: (payload: Payload) => void
}>

type Policy = Omit<JobDefinition, 'name' | 'cron' | 'groupOf' | 'priorityOf' | 'payload'>

/** For what is done in a moment unless something is down: five tries in about ten minutes. */
const USUAL: Policy = { tries: 5, firstPause: 20, longestPause: 600, timeout: 60, concurrency: 1 }

/** A job with a payload, such as `defineJob<{ userId: string }>('send-password-reset', MAIL_POLICY)`. */
export function defineJob<Payload extends object>(
  name: string,
  policy: Partial<Policy> & Pick<JobDefinition<Payload>, 'groupOf' | 'priorityOf'> = {},
): JobDefinition<Payload> {
  return { ...USUAL, ...policy, name }
}

/** A job that sends itself again and again, such as `defineRepeatedJob('delete-expired-sessions', '15 3 * * *')`. */
export function defineRepeatedJob(name: string, cron: string, policy: Partial<Policy> = {}): JobDefinition {
  return { ...USUAL, ...policy, name, cron }
}

export type Attempt = Readonly<{
  /** The same in every try: what must not happen twice can be recognised by it. */
  jobId: string
  /** From 1. */
  number: number
  /** Fires when the job has run out of time, or the process is about to end. */
  signal: AbortSignal
}>

/**
 * Does the work. A job is done at least once: one that was interrupted after its effect and before its end is done again. It must look at the
 * current state first, since what it was sent for may be over.
 * @throws PermanentFailure when trying again cannot help; any other error leads to the next try
 */
export type JobHandler<Payload> = (payload: Payload, attempt: Attempt) => Promise<void>

export type Worker = Readonly<{ definition: JobDefinition<never>; handle: JobHandler<never> }>

/** The line of a job in src/workers.ts. */
export const work = <Payload extends object>(definition: JobDefinition<Payload>, handle: JobHandler<Payload>): Worker => ({
  definition: definition as JobDefinition<never>,
  handle: handle as JobHandler<never>,
})

/** Looks for what has come due in our own tables and turns it into jobs, on every instance that works jobs: about once a second, and when woken. */
export type Sweep = Readonly<{
  /** kebab-case, a verb first */
  name: string
  /** Messages of the channel that begin with this make it run at once, such as 'changes:'. */
  wokenBy?: string
  /**
   * Claims some due rows (`for update skip locked`), changes them and sends their jobs in one transaction. Returns whether there may be more at once.
   * @param signal fires when the process is about to end
   */
  run(signal: AbortSignal): Promise<boolean>
}>

/** Ends a job without further tries. The message is logged and kept. */
export class PermanentFailure extends Error {}
