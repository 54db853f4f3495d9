import type { Client, Principal } from '../contract/types.ts'
import type { Database } from '../database/database.ts'
import { createdAtOf, newId } from '../id.ts'
import { type AuditEventRow, insertAuditEvent } from './queries.ts'

/** What is kept of what happens to accounts. openapi.yaml lists the same (AuditAction). */
export type AuditAction =
  | 'access.denied'
  | 'api_token.created'
  | 'api_token.revoked'
  | 'email.change_requested'
  | 'email.changed'
  | 'email.verified'
  | 'login.failed'
  | 'login.succeeded'
  | 'login.throttled'
  | 'password.changed'
  | 'password.refused'
  | 'password.reset'
  | 'password.reset_requested'
  | 'session.refresh_token_reused'
  | 'session.revoked'
  | 'sessions.revoked'
  | 'user.deleted'
  | 'user.demoted'
  | 'user.disabled'
  | 'user.enabled'
  | 'user.promoted'
  | 'user.read'
  | 'user.registered'
  | 'user.updated'
  | 'users.listed'
  | 'webhook.created'
  | 'webhook.deleted'
  | 'webhook.disabled'
  | 'webhook.secret_rotated'
  | 'webhook.updated'

export type AuditEvent = Readonly<{
  action: AuditAction
  /** Whom it concerns, if that is known. */
  userId?: string | undefined
  /** Who did it: a principal, or somebody of whom only the id is known. */
  actor?: Principal | Readonly<{ id: string; sessionId?: string }> | undefined
  /** The session, the API token or the webhook that it is about. */
  objectId?: string
  /** The names of the fields that were changed, never their values. */
  changedFields?: readonly string[]
}>

/**
 * Keeps an event, in the transaction of what it tells of: the one is not there without the other.
 * @param client undefined for what an operator does on the command line
 */
export async function recordEvent(db: Database, client: Client | undefined, event: AuditEvent): Promise<void> {
  await insertAuditEvent(db, eventRow(client, event))
}

/** An event as its table has it, for whoever inserts it in one statement with what it tells of. */
export function eventRow(client: Client | undefined, { action, userId, actor, objectId, changedFields = [] }: AuditEvent): AuditEventRow {
  const id = newId()
  return {
    id,
    occurred_at: createdAtOf(id),
    action,
    operation: client?.operation ?? null,
    user_id: userId ?? null,
    actor_id: actor?.id ?? null,
    session_id: actor?.sessionId ?? null,
    api_token_id: (actor !== undefined && 'apiTokenId' in actor ? actor.apiTokenId : undefined) ?? null,
    object_id: objectId ?? null,
    changed_fields: [...changedFields],
    ip_address: storable(client?.address, 45),
    user_agent: storable(client?.userAgent, 255),
    request_id: client?.requestId ?? null,
  }
}

/** What comes from headers, the address behind a trusted proxy included: as much as there is room for. */
export const storable = (text: string | undefined, length: number) => text?.slice(0, length) ?? null
