import { recordEvent } from '../audit/events.ts'
import type { WorkerContext } from '../context.ts'
import type { Transaction } from '../database/database.ts'
import { type Attempt, defineJob } from '../jobs/definitions.ts'
import { VERSION } from '../version.ts'
import { type DeliveryKey, type DeliveryRound, findDelivery, updateDelivery } from './delivery-queries.ts'
import type { Destinations } from './destinations.ts'
import { type Outcome, post } from './post.ts'
import { presentEvent } from './presenter.ts'
import { clearFailing, disableWebhook, findReceiver, markFailing } from './queries.ts'
import { sealAnew } from './sealing.ts'
import { signatureOf } from './secrets.ts'

const FAILING_DAYS = 5
const GONE = 410

/** Sixteen tries in 29 to 36 hours, one at a time to the same webhook from each instance. */
const POLICY = { tries: 16, firstPause: 10, longestPause: 21_600, timeout: 15, groupOf: ({ webhookId }: DeliveryRound) => webhookId }

/** To webhooks whose last delivery succeeded, or that have had none: they have most places, and hardly any of them hangs. */
export const deliverWebhook = defineJob<DeliveryRound>('deliver-webhook', { ...POLICY, concurrency: 128 })

/**
 * To those that are failing, in places of their own: however many receivers hang, the others get what is theirs
 * (test/webhooks/hostile-receivers.test.ts).
 */
export const deliverToFailingWebhook = defineJob<DeliveryRound>('deliver-to-failing-webhook', { ...POLICY, concurrency: 16 })

/** Tries a delivery, or leaves it to the other job when its webhook is failing. */
export async function deliverUnlessFailing(context: WorkerContext, destinations: Destinations, key: DeliveryRound, attempt: Attempt): Promise<void> {
  const receiver = await findReceiver(context.db, key.ownerId, key.webhookId)
  if (receiver?.failing_since == null) return deliver(context, destinations, key, attempt)
  await context.jobs.send(context.db, deliverToFailingWebhook, key)
}

/**
 * Tries a delivery once and notes what became of it.
 * @throws Error when it is to be tried again
 */
export async function deliver(context: WorkerContext, destinations: Destinations, key: DeliveryRound, attempt: Attempt): Promise<void> {
  const { db, keys, jobs } = context
  const delivery = await findDelivery(db, key)
  const receiver = await findReceiver(db, key.ownerId, key.webhookId)
  if (delivery === undefined || receiver === undefined) return
  // Redelivered meanwhile, or the queue missed the end of an earlier try.
  if (delivery.round !== key.round || ENDED.has(delivery.status)) return
  if (!receiver.enabled) {
    await updateDelivery(db, key, { status: 'dropped' })
    return jobs.effects.add('webhook delivery', 'dropped')
  }

  const body = JSON.stringify(presentEvent(delivery))
  const triedAt = new Date()
  const startedAt = performance.now()
  const sealed = [receiver.secret, receiver.previous_secret].filter((secret) => secret !== null)
  const signature = signatureOf(keys.webhookSecret, key, sealed, delivery.id, triedAt, body)
  const isLast = attempt.number >= POLICY.tries
  if (signature === undefined) {
    // The key may be coming: instances get a new one by one.
    const error = 'The secret cannot be read, since the server lacks a key. If this lasts, rotate it.'
    const became = isLast ? 'failed' : 'retrying'
    await updateDelivery(db, key, { status: became, error })
    jobs.effects.add('webhook delivery', became)
    if (isLast) return
    throw new Error(error)
  }
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'user-agent': `Docket/${VERSION}`,
    'webhook-id': delivery.id,
    'webhook-timestamp': String(Math.floor(triedAt.getTime() / 1000)),
  }
  const outcome = await post(destinations, new URL(receiver.url), { ...headers, 'webhook-signature': signature }, body, attempt.signal)
  const status = 'status' in outcome ? outcome.status : undefined
  const error = errorOf(outcome)

  const became = await db.transaction().execute(async (trx) => {
    // The webhook first, as whoever deletes it locks that before its deliveries.
    const disabled = await judge(trx, key, receiver.url, status, error)
    const became = error === undefined ? 'delivered' : isLast || disabled ? 'failed' : 'retrying'
    await updateDelivery(trx, key, {
      status: became,
      tries: delivery.tries + 1,
      tried_at: triedAt.toISOString(),
      request_url: receiver.url,
      request_headers: Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      response_status: status ?? null,
      response_body: 'body' in outcome ? outcome.body : null,
      milliseconds: Math.round(performance.now() - startedAt),
      error: error ?? null,
    })
    return became
  })
  jobs.effects.add('webhook delivery', became)
  await sealAnew(context, receiver)
  const ended = error === undefined || isLast || status === GONE
  if (!ended) throw new Error(`The webhook could not be delivered: ${error}`)
}

const ENDED: ReadonlySet<string> = new Set(['delivered', 'failed', 'dropped'])

/** What a try says about the webhook, unless that has another URL by now. @returns whether it is disabled by it */
async function judge(
  trx: Transaction,
  { ownerId, webhookId }: DeliveryKey,
  url: string,
  status: number | undefined,
  error: string | undefined,
): Promise<boolean> {
  if (error === undefined) {
    await clearFailing(trx, ownerId, webhookId, url)
    return false
  }
  const failing = await markFailing(trx, ownerId, webhookId, url, FAILING_DAYS)
  const reason = status === GONE ? 'gone' : failing ? 'failing' : undefined
  if (reason === undefined || !(await disableWebhook(trx, ownerId, webhookId, url, reason))) return false
  await recordEvent(trx, undefined, { action: 'webhook.disabled', userId: ownerId, objectId: webhookId })
  return true
}

function errorOf(outcome: Outcome): string | undefined {
  if ('error' in outcome) return outcome.error
  const { status } = outcome
  if (status >= 200 && status < 300) return undefined
  return status >= 300 && status < 400 ? 'Redirects are not followed.' : 'The answer is none of the statuses 200 to 299.'
}
