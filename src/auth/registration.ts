import type { UserRole } from '../../generated/database.ts'
import type { Transaction } from '../database/database.ts'
import { createdAtOf, newId } from '../id.ts'
import { insertInbox } from '../lists/queries.ts'
import { insertUser, type UserRow } from '../users/queries.ts'

type NewUser = Readonly<{
  email: string
  username: string
  passwordHash: string
  role: UserRole
  /** When the address is known to be theirs. */
  emailVerifiedAt?: string
}>

/** A user and the inbox that everybody is born with. */
export async function insertUserWithInbox(trx: Transaction, { email, username, passwordHash, role, emailVerifiedAt }: NewUser): Promise<UserRow> {
  const id = newId()
  const createdAt = createdAtOf(id)
  const user = await insertUser(trx, {
    id,
    email,
    username,
    password_hash: passwordHash,
    role,
    email_verified_at: emailVerifiedAt ?? null,
    created_at: createdAt,
    updated_at: createdAt,
  })
  await insertInbox(trx, id, newId(), createdAt)
  return user
}
