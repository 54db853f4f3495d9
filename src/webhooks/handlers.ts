import { recordEvent } from '../audit/events.ts'
import type { Context } from '../context.ts'
import type { HandlersOf, Principal } from '../contract/types.ts'
import type { Transaction } from '../database/database.ts'
import { waitingBriefly } from '../database/locks.ts'
import { inTransaction } from '../database/transactions.ts'
import { etagOf, versionsOf } from '../etag.ts'
import { createdAtOf, newId } from '../id.ts'
import { conflict, invalidField, notFound, preconditionFailed, unauthenticated } from '../problem.ts'
import { userGone } from '../users/gone.ts'
import { isStillLoggedIn, lockUser } from '../users/queries.ts'
import { findDelivery, insertDelivery, listDeliveries, repeatDelivery } from './delivery-queries.ts'
import { Destinations } from './destinations.ts'
import { presentCreatedWebhook, presentDelivery, presentWebhook, TEST_EVENT } from './presenter.ts'
import * as webhooks from './queries.ts'
import { newSecret } from './secrets.ts'

const MOST_WEBHOOKS = 20
/** How long a secret that was replaced goes on signing. */
const OVERLAP_HOURS = 24

export function webhookHandlers({ config, db, cursors, keys }: Context): HandlersOf<'webhooks'> {
  const destinations = new Destinations(config.webhookAllowedNetworks)

  const requireDestination = (url: string | undefined) => {
    const fault = url === undefined ? undefined : destinations.faultOf(new URL(url))
    if (fault !== undefined) throw invalidField('body', '/url', 'destination', fault)
  }

  /** A reset disables the webhooks of whoever was not the owner: none may be made or enabled after it by a session that it has ended. */
  const requireLive = async (trx: Transaction, user: Principal) => {
    if (!(await isStillLoggedIn(trx, user))) throw unauthenticated('The session or the API token has ended.')
  }

  const requireEnabled = ({ enabled }: webhooks.WebhookRow) => {
    if (!enabled) throw conflict('The webhook is disabled. Enable it first.')
  }

  return {
    async listWebhooks({ query: { limit, cursor }, user }, respond) {
      const belongsTo = `webhooks ${user.id}`
      const after = cursors.after(belongsTo, cursor)
      const rows = await webhooks.listWebhooks(db, user.id, after?.id, limit + 1)
      return respond(200, cursors.pageById(belongsTo, rows, limit, presentWebhook))
    },

    async createWebhook({ body: { url, description, events, enabled }, user, client }, respond) {
      requireDestination(url)
      const id = newId()
      const createdAt = createdAtOf(id)
      const { secret, sealed } = newSecret(keys.webhookSecret, { ownerId: user.id, webhookId: id })
      const row = await inTransaction(db, async (trx) => {
        if ((await waitingBriefly(trx, () => lockUser(trx, user.id))) === undefined) throw userGone()
        await requireLive(trx, user)
        if ((await webhooks.countWebhooks(trx, user.id)) >= MOST_WEBHOOKS) {
          throw conflict(`There are ${MOST_WEBHOOKS} webhooks already. Delete one first.`)
        }
        await recordEvent(trx, client, { action: 'webhook.created', userId: user.id, actor: user, objectId: id })
        return webhooks.insertWebhook(trx, {
          owner_id: user.id,
          id,
          url,
          description: description ?? null,
          events: [...events],
          enabled,
          secret: sealed,
          created_at: createdAt,
          updated_at: createdAt,
        })
      })
      return respond(201, presentCreatedWebhook(row, secret), { headers: { Location: `/api/v1/webhooks/${id}`, ETag: etagOf(row) } })
    },

    async getWebhook({ params, user }, respond) {
      const webhook = await webhooks.findWebhook(db, user.id, params.webhookId)
      if (webhook === undefined) throw notFound('webhook')
      return respond(200, presentWebhook(webhook), { headers: { ETag: etagOf(webhook) } })
    },

    async updateWebhook({ params: { webhookId }, body, ifMatch, user, client }, respond) {
      requireDestination(body.url)
      const { url, description, events, enabled } = body
      const changes = {
        ...(url !== undefined && { url, failing_since: null }),
        ...(description !== undefined && { description }),
        ...(events !== undefined && { events: [...events] }),
        ...(enabled !== undefined && { enabled }),
        ...(enabled === true && { disabled_reason: null, failing_since: null }),
        updated_at: new Date().toISOString(),
      }
      const webhook = await inTransaction(db, async (trx) => {
        const changed = await webhooks.updateWebhook(trx, user.id, webhookId, changes, ifMatch && versionsOf(ifMatch))
        if (changed === undefined) throw await missingOrChanged(trx, user.id, webhookId)
        if (enabled === true) await requireLive(trx, user)
        await recordEvent(trx, client, {
          action: 'webhook.updated',
          userId: user.id,
          actor: user,
          objectId: webhookId,
          changedFields: Object.keys(body),
        })
        return changed
      })
      return respond(200, presentWebhook(webhook), { headers: { ETag: etagOf(webhook) } })
    },

    async deleteWebhook({ params: { webhookId }, ifMatch, user, client }, respond) {
      await inTransaction(db, async (trx) => {
        if (!(await webhooks.deleteWebhook(trx, user.id, webhookId, ifMatch && versionsOf(ifMatch))))
          throw await missingOrChanged(trx, user.id, webhookId)
        await recordEvent(trx, client, { action: 'webhook.deleted', userId: user.id, actor: user, objectId: webhookId })
      })
      return respond(204)
    },

    async rotateWebhookSecret({ params: { webhookId }, user, client }, respond) {
      const { secret, sealed } = newSecret(keys.webhookSecret, { ownerId: user.id, webhookId })
      const previousSecretExpiresAt = await inTransaction(db, async (trx) => {
        const expiresAt = await webhooks.rotateSecret(trx, user.id, webhookId, sealed, OVERLAP_HOURS)
        if (expiresAt === undefined) throw notFound('webhook')
        await recordEvent(trx, client, { action: 'webhook.secret_rotated', userId: user.id, actor: user, objectId: webhookId })
        return expiresAt
      })
      return respond(200, { secret, previousSecretExpiresAt })
    },

    async testWebhook({ params: { webhookId }, user }, respond) {
      const id = newId()
      const delivery = await inTransaction(db, async (trx) => {
        const webhook = await webhooks.lockWebhook(trx, user.id, webhookId)
        if (webhook === undefined) throw notFound('webhook')
        requireEnabled(webhook)
        return insertDelivery(trx, {
          owner_id: user.id,
          webhook_id: webhookId,
          id,
          type: TEST_EVENT,
          resource_id: webhookId,
          version: webhook.version,
          occurred_at: createdAtOf(id),
          created_at: createdAtOf(id),
        })
      })
      return respond(202, presentDelivery(delivery))
    },

    async listWebhookDeliveries({ params: { webhookId }, query: { status, limit, cursor }, user }, respond) {
      const belongsTo = `webhook deliveries ${user.id} ${webhookId} ${status ?? ''}`
      const before = cursors.after(belongsTo, cursor)
      if ((await webhooks.findWebhook(db, user.id, webhookId)) === undefined) throw notFound('webhook')
      const statuses = status === 'waiting' ? (['waiting', 'queued'] as const) : status && ([status] as const)
      const rows = await listDeliveries(db, user.id, webhookId, statuses, before?.id, limit + 1)
      return respond(200, cursors.pageById(belongsTo, rows, limit, presentDelivery))
    },

    async redeliverWebhook({ params, user }, respond) {
      const key = { ownerId: user.id, ...params }
      const delivery = await inTransaction(db, async (trx) => {
        const webhook = await webhooks.lockWebhook(trx, user.id, params.webhookId)
        if (webhook === undefined) throw notFound('webhook')
        const repeated = (await repeatDelivery(trx, key)) ?? (await findDelivery(trx, key))
        if (repeated === undefined) throw notFound('delivery')
        requireEnabled(webhook)
        return repeated
      })
      return respond(202, presentDelivery(delivery))
    },
  }
}

async function missingOrChanged(trx: Transaction, ownerId: string, webhookId: string) {
  return (await webhooks.findWebhook(trx, ownerId, webhookId)) === undefined ? notFound('webhook') : preconditionFailed('webhook')
}
