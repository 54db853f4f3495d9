import type { components } from '../../generated/api.ts'
import { presentChange } from '../changes/presenter.ts'
import type { ChangeRow } from '../changes/queries.ts'
import type { DeliveryRow } from './delivery-queries.ts'
import type { WebhookRow } from './queries.ts'

type Schemas = components['schemas']

export const TEST_EVENT = 'webhook.test'

export function presentWebhook(webhook: WebhookRow): Schemas['Webhook'] {
  return {
    id: webhook.id,
    url: webhook.url,
    description: webhook.description,
    events: webhook.events as Schemas['Webhook']['events'],
    enabled: webhook.enabled,
    disabledReason: webhook.disabled_reason,
    createdAt: webhook.created_at,
    updatedAt: webhook.updated_at,
  }
}

/** @param secret the one time that it is shown */
export function presentCreatedWebhook(row: WebhookRow, secret: string): Schemas['CreatedWebhook'] {
  return { ...presentWebhook(row), secret }
}

/** What is sent, the same in every try. */
export function presentEvent(delivery: DeliveryRow): Schemas['WebhookEvent'] {
  const { type, occurred_at: timestamp, webhook_id: webhookId } = delivery
  if (type === TEST_EVENT) return { type, timestamp, data: { webhookId } }
  const change = presentChange(delivery as unknown as ChangeRow)
  return { type: change.type, timestamp, data: change } as Schemas['WebhookEvent']
}

export function presentDelivery(delivery: DeliveryRow): Schemas['WebhookDelivery'] {
  return {
    id: delivery.id,
    type: delivery.type as Schemas['WebhookDelivery']['type'],
    // Whether it has a job yet is our own business.
    status: delivery.status === 'queued' ? 'waiting' : delivery.status,
    tries: delivery.tries,
    triedAt: delivery.tried_at,
    requestUrl: delivery.request_url,
    requestHeaders: delivery.request_headers,
    requestBody: JSON.stringify(presentEvent(delivery)),
    responseStatus: delivery.response_status,
    responseBody: delivery.response_body,
    latencyMilliseconds: delivery.milliseconds,
    error: delivery.error,
    createdAt: delivery.created_at,
  }
}
