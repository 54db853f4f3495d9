import type { Database } from '../database/database.ts'
import { invalidCredentials, Problem } from '../problem.ts'
import { findUserByLogin, type UserRow, updatePasswordHash } from '../users/queries.ts'
import type { Passwords } from './passwords.ts'

/**
 * The user with this name (or e-mail address) and password. Whether the user is unknown, disabled or has another password, answer and duration are
 * the same. A hash made with outdated parameters is replaced, unless the server is too busy: then a later login does so.
 * @throws Problem 401 INVALID_CREDENTIALS
 */
export async function requireUserByPassword(db: Database, passwords: Passwords, login: string, password: string): Promise<UserRow> {
  const user = await findUserByLogin(db, login)
  const matches = await passwords.verify(user?.password_hash, password)
  if (!matches || user === undefined || user.disabled_at !== null) throw invalidCredentials()
  if (passwords.isOutdated(user.password_hash)) await rehash(db, passwords, user.id, user.password_hash, password).catch(unlessTooBusy)
  return user
}

async function rehash(db: Database, passwords: Passwords, userId: string, outdated: string, password: string): Promise<void> {
  await updatePasswordHash(db, userId, outdated, await passwords.hash(password))
}

function unlessTooBusy(error: unknown): void {
  if (!(error instanceof Problem && error.code === 'UNAVAILABLE')) throw error
}
