import type { WorkerContext } from '../context.ts'
import type { Database } from '../database/database.ts'
import { defineRepeatedJob, type Worker, work } from '../jobs/definitions.ts'
import { compactChanges, hasChangesBefore, listOwners } from './queries.ts'

const DAY_MILLISECONDS = 86_400_000
const OWNERS = 100
const CHANGES = 10_000

const compact = defineRepeatedJob('compact-changes', '35 3 * * *', { timeout: 3600 })

export const changeWorkers = ({ config, patientDb }: WorkerContext): readonly Worker[] => [
  work(compact, async (_payload, { signal }) => {
    const before = new Date(Date.now() - config.changesRetentionDays * DAY_MILLISECONDS).toISOString()
    const failures: unknown[] = []
    let last: string | undefined
    do {
      const owners = await listOwners(patientDb, last, OWNERS)
      for (const ownerId of owners) {
        signal.throwIfAborted()
        // One whose changes cannot be compacted must not be in the way of all others.
        await compactOwner(patientDb, ownerId, before, signal).catch((error) => failures.push(error))
      }
      last = owners.at(-1)
    } while (last !== undefined)
    if (failures.length > 0) throw new AggregateError(failures, `The changes of ${failures.length} users could not be compacted.`)
  }),
]

async function compactOwner(db: Database, ownerId: string, before: string, signal: AbortSignal): Promise<void> {
  if (!(await hasChangesBefore(db, ownerId, before))) return
  while ((await compactChanges(db, ownerId, before, CHANGES)) === CHANGES) signal.throwIfAborted()
}
