import type { components } from '../../generated/api.ts'
import { presentUser } from '../users/presenter.ts'
import type { UserRow } from '../users/queries.ts'

export function presentAdminUser(user: UserRow): components['schemas']['AdminUser'] {
  const { id, email, emailVerified, username, role, timeZone, createdAt, updatedAt } = presentUser(user)
  return {
    id,
    email,
    emailVerified,
    username,
    role,
    timeZone,
    disabled: user.disabled_at !== null,
    createdAt,
    updatedAt,
  }
}
