import type { WorkerContext } from '../context.ts'
import { deleteInBatches } from '../database/batches.ts'
import { defineRepeatedJob, type Worker, work } from '../jobs/definitions.ts'
import { deleteAuditEventsBefore } from './queries.ts'

const DAY_MILLISECONDS = 86_400_000

const deleteOld = defineRepeatedJob('delete-old-audit-events', '25 3 * * *', { timeout: 600 })

export const auditWorkers = ({ config, db }: WorkerContext): readonly Worker[] => [
  work(deleteOld, (_payload, { signal }) => {
    const oldest = new Date(Date.now() - config.auditRetentionDays * DAY_MILLISECONDS).toISOString()
    return deleteInBatches((limit) => deleteAuditEventsBefore(db, oldest, limit), signal)
  }),
]
