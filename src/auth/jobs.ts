import type { WorkerContext } from '../context.ts'
import { deleteInBatches } from '../database/batches.ts'
import { defineRepeatedJob, type Worker, work } from '../jobs/definitions.ts'
import { deleteEndedSessions } from './queries.ts'

const deleteEnded = defineRepeatedJob('delete-ended-sessions', '15 3 * * *', { timeout: 600 })

export const authWorkers = ({ db }: WorkerContext): readonly Worker[] => [
  work(deleteEnded, (_payload, { signal }) => deleteInBatches((limit) => deleteEndedSessions(db, limit), signal)),
]
