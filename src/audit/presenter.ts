import type { components } from '../../generated/api.ts'
import type { AuditEventRow } from './queries.ts'

export function presentAuditEvent(event: AuditEventRow): components['schemas']['AuditEvent'] {
  return {
    id: event.id,
    occurredAt: event.occurred_at,
    action: event.action,
    operation: event.operation,
    userId: event.user_id,
    actorId: event.actor_id,
    sessionId: event.session_id,
    apiTokenId: event.api_token_id,
    objectId: event.object_id,
    changedFields: event.changed_fields,
    address: event.ip_address,
    userAgent: event.user_agent,
    requestId: event.request_id,
  }
}
