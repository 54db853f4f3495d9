import type { components } from '../../generated/api.ts'
import type { ApiTokenRow } from './queries.ts'

export function presentApiToken(token: ApiTokenRow): components['schemas']['ApiToken'] {
  return {
    id: token.id,
    name: token.name,
    scopes: token.scopes,
    createdAt: token.created_at,
    expiresAt: token.expires_at,
    lastUsedAt: token.last_used_at,
  }
}

/** @param token the one time that it is shown */
export function presentCreatedApiToken(row: ApiTokenRow, token: string): components['schemas']['CreatedApiToken'] {
  const { id, name, scopes, createdAt, expiresAt, lastUsedAt } = presentApiToken(row)
  return { id, name, scopes, createdAt, expiresAt, lastUsedAt, token }
}
