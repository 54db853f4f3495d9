import type { WorkerContext } from '../context.ts'
import { deleteInBatches } from '../database/batches.ts'
import { defineRepeatedJob, type Worker, work } from '../jobs/definitions.ts'
import { deleteExpiredRecords } from './queries.ts'

const deleteExpired = defineRepeatedJob('delete-expired-idempotency-records', '35 * * * *', { timeout: 600 })

export const idempotencyWorkers = ({ db }: WorkerContext): readonly Worker[] => [
  work(deleteExpired, (_payload, { signal }) => deleteInBatches((limit) => deleteExpiredRecords(db, limit), signal)),
]
