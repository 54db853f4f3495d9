import type { WorkerContext } from '../context.ts'
import { deleteInBatches } from '../database/batches.ts'
import { defineRepeatedJob, type Sweep, type Worker, work } from '../jobs/definitions.ts'
import { deliver, deliverToSlowWebhook, deliverUnlessSlow, deliverWebhook } from './delivery.ts'
import { claimWaitingDeliveries, deleteDeliveriesBefore } from './delivery-queries.ts'
import { Destinations, type Resolve } from './destinations.ts'
import { forgetExpiredSecrets } from './queries.ts'
import { sealAllAnew } from './sealing.ts'

const DAY_MILLISECONDS = 86_400_000
const RETENTION_DAYS = 30
/** Of each owner: a backlog of one must not keep the others waiting. */
const CLAIMED_AT_ONCE = 20

const deleteOld = defineRepeatedJob('delete-old-webhook-deliveries', '40 3 * * *', { timeout: 600 })
const sealSecretsAnew = defineRepeatedJob('seal-webhook-secrets-anew', '50 3 * * *', { timeout: 600 })

/** @param resolve instead of asking name servers, for tests */
export function webhookWorkers(context: WorkerContext, resolve?: Resolve): readonly Worker[] {
  const { config, db } = context
  const destinations = new Destinations(config.webhookAllowedNetworks, resolve)
  return [
    work(deliverWebhook, (key, attempt) => deliverUnlessSlow(context, destinations, key, attempt)),
    work(deliverToSlowWebhook, (key, attempt) => deliver(context, destinations, key, attempt)),

    work(deleteOld, (_payload, { signal }) => {
      const oldest = new Date(Date.now() - RETENTION_DAYS * DAY_MILLISECONDS).toISOString()
      return deleteInBatches((limit) => deleteDeliveriesBefore(db, oldest, limit), signal)
    }),

    work(sealSecretsAnew, async (_payload, { signal }) => {
      await forgetExpiredSecrets(db)
      await sealAllAnew(context, signal)
    }),
  ]
}

export const webhookSweeps = ({ db, jobs }: WorkerContext): readonly Sweep[] => [
  {
    name: 'send-due-deliveries',
    wokenBy: 'changes:',
    run: () =>
      db.transaction().execute(async (trx) => {
        const claimed = await claimWaitingDeliveries(trx, CLAIMED_AT_ONCE)
        for (const { slow, ...key } of claimed) await jobs.send(trx, slow ? deliverToSlowWebhook : deliverWebhook, key)
        return claimed.length >= CLAIMED_AT_ONCE
      }),
  },
]
