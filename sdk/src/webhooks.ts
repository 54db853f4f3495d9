import type { Answer, Call, CallOptions, ChangeOptions, CreateOptions, ReadOptions, Versioned } from './call.js'
import {
  createWebhook,
  deleteWebhook,
  getWebhook,
  listWebhookDeliveries,
  listWebhooks,
  redeliverWebhook,
  rotateWebhookSecret,
  testWebhook,
  updateWebhook,
} from './generated/sdk.gen.js'
import type {
  CreatedWebhook,
  ListWebhookDeliveriesData,
  NewWebhook,
  Webhook,
  WebhookDelivery,
  WebhookPatch,
  WebhookSecret,
} from './generated/types.gen.js'
import type { PageQuery } from './lists.js'
import type { Pages } from './pages.js'
import type { Transport } from './transport.js'

export type DeliveryQuery = NonNullable<ListWebhookDeliveriesData['query']>

export class Webhooks {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Your webhooks in the order of their creation, without their secrets. */
  list(query: PageQuery = {}, options: CallOptions = {}): Pages<Webhook> {
    return this.#transport.pages(({ cursor, ...wire }) => listWebhooks({ ...wire, query: { ...query, ...cursor } }), options)
  }

  /** From now on, changes are posted to its URL. The `secret`, for verifyWebhook, is shown this once. */
  create(webhook: NewWebhook, options: CreateOptions = {}): Call<Versioned<CreatedWebhook>> {
    return this.#transport.call((wire) => createWebhook({ ...wire, body: webhook }), options, { keyed: true })
  }

  /** The webhook without its secret; with `ifNoneMatch`, nothing while it is the version that you have. */
  get(webhookId: string, options?: CallOptions & { ifNoneMatch?: never }): Call<Versioned<Webhook>>
  get(webhookId: string, options: ReadOptions): Call<Versioned<Webhook | undefined>>
  get(webhookId: string, options: CallOptions = {}): Call<Versioned<Webhook>> {
    return this.#transport.call((wire) => getWebhook({ ...wire, path: { webhookId } }), options, { answer: 304 })
  }

  /** Changes what the patch names and leaves the rest. */
  update(webhookId: string, patch: WebhookPatch, options: ChangeOptions = {}): Call<Versioned<Webhook>> {
    return this.#transport.call((wire) => updateWebhook({ ...wire, path: { webhookId }, body: patch }), options)
  }

  /** Deletes the webhook with the log of its deliveries. */
  delete(webhookId: string, options: ChangeOptions = {}): Call<Answer<void>> {
    return this.#transport.call((wire) => deleteWebhook({ ...wire, path: { webhookId } }), options)
  }

  /** Another secret, shown this once. For a day, deliveries are signed with the one before as well. */
  rotateSecret(webhookId: string, options: CreateOptions = {}): Call<Answer<WebhookSecret>> {
    return this.#transport.call((wire) => rotateWebhookSecret({ ...wire, path: { webhookId } }), options, { keyed: true })
  }

  /** Sends an event of the type `webhook.test`. */
  test(webhookId: string, options: CreateOptions = {}): Call<Answer<WebhookDelivery>> {
    return this.#transport.call((wire) => testWebhook({ ...wire, path: { webhookId } }), options, { keyed: true })
  }

  /** What was sent and what was answered, the newest first. */
  listDeliveries(webhookId: string, query: DeliveryQuery = {}, options: CallOptions = {}): Pages<WebhookDelivery> {
    return this.#transport.pages(
      ({ cursor, ...wire }) => listWebhookDeliveries({ ...wire, path: { webhookId }, query: { ...query, ...cursor } }),
      options,
    )
  }

  /** Sends the same event under the same id once more. */
  redeliver(webhookId: string, deliveryId: string, options: CreateOptions = {}): Call<Answer<WebhookDelivery>> {
    return this.#transport.call((wire) => redeliverWebhook({ ...wire, path: { webhookId, deliveryId } }), options, { keyed: true })
  }
}
