import type { components } from '../../generated/api.ts'
import type { SessionRow } from './queries.ts'

export const presentSession =
  (currentId: string) =>
  (session: SessionRow): components['schemas']['Session'] => ({
    id: session.id,
    current: session.id === currentId,
    scopes: session.scopes,
    userAgent: session.user_agent,
    address: session.ip_address,
    createdAt: session.created_at,
    lastUsedAt: session.last_used_at,
    expiresAt: session.expires_at,
  })
