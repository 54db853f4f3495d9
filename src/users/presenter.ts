import type { components } from '../../generated/api.ts'
import type { UserRow } from './queries.ts'

export function presentUser(user: UserRow): components['schemas']['User'] {
  return {
    id: user.id,
    email: user.email,
    emailVerified: user.email_verified_at !== null,
    username: user.username,
    role: user.role,
    timeZone: user.time_zone,
    createdAt: user.created_at,
    updatedAt: user.updated_at,
  }
}
