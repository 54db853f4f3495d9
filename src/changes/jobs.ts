import type { WorkerContext } from '../context.ts'
import { defineRepeatedJob, type Worker, work } from '../jobs/definitions.ts'
import { compactChanges, listOwners } from './queries.ts'

const DAY_MILLISECONDS = 86_400_000
const BATCH = 100

const compact = defineRepeatedJob('compact-changes', '35 3 * * *', { timeout: 3600 })

export const changeWorkers = ({ config, patientDb }: WorkerContext): readonly Worker[] => [
  work(compact, async (_payload, { signal }) => {
    const before = new Date(Date.now() - config.changesRetentionDays * DAY_MILLISECONDS).toISOString()
    for (let owners = await listOwners(patientDb, undefined, BATCH); owners.length > 0; owners = await listOwners(patientDb, owners.at(-1), BATCH)) {
      for (const ownerId of owners) {
        signal.throwIfAborted()
        await compactChanges(patientDb, ownerId, before)
      }
    }
  }),
]
