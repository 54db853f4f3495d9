import { accountMailWorkers } from './account-mail/jobs.ts'
import { auditWorkers } from './audit/jobs.ts'
import { authWorkers } from './auth/jobs.ts'
import { changeWorkers } from './changes/jobs.ts'
import type { WorkerContext } from './context.ts'
import { idempotencyWorkers } from './idempotency/jobs.ts'
import type { Sweep, Worker } from './jobs/definitions.ts'
import { reminderSweeps, reminderWorkers } from './reminders/jobs.ts'
import { webhookSweeps, webhookWorkers } from './webhooks/jobs.ts'

/** Every job with its handler, from the features, as in src/handlers.ts. A job that is not here cannot be sent. */
export const createWorkers = (context: WorkerContext): readonly Worker[] => [
  ...accountMailWorkers(context),
  ...authWorkers(context),
  ...auditWorkers(context),
  ...reminderWorkers(context),
  ...changeWorkers(context),
  ...idempotencyWorkers(context),
  ...webhookWorkers(context),
]

/** Every sweep, likewise. */
export const createSweeps = (context: WorkerContext): readonly Sweep[] => [...reminderSweeps(context), ...webhookSweeps(context)]
