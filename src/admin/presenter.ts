import type { components } from '../../generated/api.ts'
import type { DeadJobRow } from '../jobs/queries.ts'
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

const LONGEST_ERROR = 1000

export function presentDeadJob(job: DeadJobRow): components['schemas']['DeadJob'] {
  return { id: job.job_id, name: job.name, error: job.error.slice(0, LONGEST_ERROR).toWellFormed(), sentAt: job.sent_at, givenUpAt: job.given_up_at }
}
