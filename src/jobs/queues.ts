import { createRequire } from 'node:module'
import type { PgBoss, QueueOptions } from 'pg-boss'
import type { JobDefinition } from './definitions.ts'

// pg-boss computes with luxon when repeated jobs are due, and luxon would ask for the locale and the zone of the machine first, though neither matters
// here: 6 MB for what the system holds about the zones and languages of the world. It is required as there, since an import would be another one.
const luxon: typeof import('luxon') = createRequire(import.meta.url)('luxon')
luxon.Settings.defaultLocale = 'en'
luxon.Settings.defaultZone = 'utc'

/** Where a job that was given up goes on being seen. */
export const DEAD_JOBS = 'dead'

const DAY = 86_400
/** How long they are kept, reported or not. */
const DEAD_DAYS = 90
/** What the end of a job may take beyond its own time. Seconds. */
const SETTLING = 5

/** Makes the queues that are missing, and gives each what its definition says now. Any number of processes may do so at once. */
export async function prepareQueues(boss: PgBoss, definitions: readonly JobDefinition<never>[]): Promise<void> {
  const wanted = new Map<string, QueueOptions & { deadLetter?: string }>([
    [DEAD_JOBS, { retentionSeconds: DEAD_DAYS * DAY, deleteAfterSeconds: DEAD_DAYS * DAY }],
    ...definitions.map((definition) => [definition.name, optionsOf(definition)] as const),
  ])
  const present = new Map((await boss.getQueues()).map((queue) => [queue.name, queue]))
  for (const [name, options] of wanted) {
    const queue = present.get(name)
    if (queue === undefined) await boss.createQueue(name, options)
    else if (Object.entries(options).some(([key, value]) => queue[key as keyof typeof options] !== value)) await boss.updateQueue(name, options)
    else continue
    // Has pg-boss look the queue up now: inside a transaction on the embedded database it could not.
    await boss.findJobs(name, { key: '' })
  }
}

/** Has the repeated jobs sent at their times, and no others any more. */
export async function prepareSchedules(boss: PgBoss, definitions: readonly JobDefinition<never>[]): Promise<void> {
  const crons = new Map(definitions.map(({ name, cron }) => [name, cron]))
  for (const { name } of await boss.getSchedules()) if (crons.get(name) === undefined) await boss.unschedule(name)
  for (const [name, cron] of crons) if (cron !== undefined) await boss.schedule(name, cron, {}, { tz: 'UTC' })
}

function optionsOf({ tries, firstPause, longestPause, timeout }: JobDefinition<never>): QueueOptions & { deadLetter: string } {
  return {
    retryLimit: tries - 1,
    retryDelay: firstPause,
    retryBackoff: firstPause > 0,
    ...(firstPause > 0 && { retryDelayMax: longestPause }),
    expireInSeconds: timeout + SETTLING,
    // One that nobody works, and one that is done.
    retentionSeconds: 14 * DAY,
    deleteAfterSeconds: DAY,
    deadLetter: DEAD_JOBS,
  }
}
