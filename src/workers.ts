import type { WorkerContext } from './context.ts'
import type { Worker } from './jobs/definitions.ts'

/** Every job with its handler, from the features, as in src/handlers.ts. A job that is not here cannot be sent. */
export const createWorkers = (_context: WorkerContext): readonly Worker[] => []
