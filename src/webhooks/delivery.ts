import { recordEvent } from '../audit/events.ts'
import type { WorkerContext } from '../context.ts'
import type { Transaction } from '../database/database.ts'
import { type Attempt, defineJob } from '../jobs/definitions.ts'
import { VERSION } from '../version.ts'
import { type DeliveryKey, type DeliveryRound, findDelivery, updateDelivery } from './delivery-queries.ts'
import type { Destinations } from './destinations.ts'
import { type Outcome, post } from './post.ts'
import { presentEvent } from './presenter.ts'
import { clearFailing, disableWebhook, findReceiver, markFailing, markSlow, type ReceiverRow } from './queries.ts'
import { sealAnew } from './sealing.ts'
import { signatureOf } from './secrets.ts'

const FAILING_DAYS = 5
const GONE = 410

/** A try that takes longer makes its webhook a slow one. */
const QUICK_MILLISECONDS = 2000

/** Which round of tries, how many deliveries to the same webhook waited when it was sent, and how many of its tries another job has had. */
type Round = DeliveryRound & Readonly<{ ahead?: number; tried?: number }>

/** Sixteen tries in 23 to 36 hours. Everybody's next delivery goes before anybody's second next: a backlog keeps nobody else waiting. */
const POLICY = { tries: 16, firstPause: 10, longestPause: 21_600, timeout: 15, priorityOf: ({ ahead = 0 }: Round) => -ahead }

/** To webhooks that are quick, or have not been called yet: to each of them one at a time. */
export const deliverWebhook = defineJob<Round>('deliver-webhook', { ...POLICY, concurrency: 112, groupOf: ({ webhookId }) => webhookId })

/**
 * To webhooks that are slow, whether they fail or not: in places of their own, so that a receiver that hangs keeps those of others waiting for one try at
 * most, and for each user one at a time, so that nobody fills these places with their twenty (test/webhooks/lanes.test.ts). The name is from when it was
 * for those that fail.
 */
export const deliverToSlowWebhook = defineJob<Round>('deliver-to-failing-webhook', { ...POLICY, concurrency: 32, groupOf: ({ ownerId }) => ownerId })

/** Tries a delivery, or leaves it to the other job when its webhook is slow. */
export async function deliverUnlessSlow(context: WorkerContext, destinations: Destinations, key: Round, attempt: Attempt): Promise<void> {
  const receiver = await findReceiver(context.db, key.ownerId, key.webhookId)
  const tried = attempt.number - 1
  if (receiver?.slow) return context.jobs.send(context.db, deliverToSlowWebhook, { ...key, tried }, { tried })
  return tryDelivery(context, destinations, receiver, key, attempt)
}

/** Tries a delivery. */
export async function deliver(context: WorkerContext, destinations: Destinations, key: Round, attempt: Attempt): Promise<void> {
  const receiver = await findReceiver(context.db, key.ownerId, key.webhookId)
  return tryDelivery(context, destinations, receiver, key, attempt)
}

/**
 * Tries a delivery once and notes what became of it.
 * @throws Error when it is to be tried again
 */
async function tryDelivery(
  context: WorkerContext,
  destinations: Destinations,
  receiver: ReceiverRow | undefined,
  key: Round,
  { number, signal }: Attempt,
): Promise<void> {
  const { db, keys, jobs } = context
  const delivery = await findDelivery(db, key)
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
  const isLast = number + (key.tried ?? 0) >= POLICY.tries
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
  // No other try would end what is interrupted in the last one.
  if (isLast) await updateDelivery(db, key, { status: 'failed', error: 'The last try was interrupted.' })
  const outcome = await post(destinations, new URL(receiver.url), { ...headers, 'webhook-signature': signature }, body, signal)
  const milliseconds = Math.round(performance.now() - startedAt)
  const status = 'status' in outcome ? outcome.status : undefined
  const error = errorOf(outcome)

  const became = await db.transaction().execute(async (trx) => {
    // The webhook first, as whoever deletes it locks that before its deliveries.
    const disabled = await judge(trx, key, receiver.url, status, error)
    const became = error === undefined ? 'delivered' : isLast || disabled ? 'failed' : 'retrying'
    if (milliseconds > QUICK_MILLISECONDS) await markSlow(trx, key.ownerId, key.webhookId)
    await updateDelivery(trx, key, {
      status: became,
      tries: delivery.tries + 1,
      tried_at: triedAt.toISOString(),
      request_url: receiver.url,
      request_headers: Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      response_status: status ?? null,
      response_body: 'body' in outcome ? outcome.body : null,
      milliseconds,
      error: error ?? null,
    })
    return became
  })
  jobs.effects.add('webhook delivery', became)
  await sealAnew(context, receiver)
  if (became === 'retrying') throw new Error(`The webhook could not be delivered: ${error}`)
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
