import type { Database } from '../database/database.ts'
import { invalidCredentials, Problem } from '../problem.ts'
import { findUserByLogin, type UserRow, updatePasswordHash } from '../users/queries.ts'
import type { Identity } from './identity.ts'
import type { Passwords } from './passwords.ts'

/**
 * The user with this name (or e-mail address) and password. Whether the user is unknown, disabled or has another password, answer and duration are
 * the same. A hash made with outdated parameters is replaced, unless the server is too busy: then a later login does so.
 * @throws Problem 401 INVALID_CREDENTIALS, 429 after too many wrong passwords (LoginThrottle)
 */
export async function requireUserByPassword(
  db: Database,
  { passwords, throttle }: Pick<Identity, 'passwords' | 'throttle'>,
  login: string,
  password: string,
  address: string,
): Promise<UserRow> {
  const found = await findUserByLogin(db, login)
  const account = found === undefined ? { login } : { userId: found.id }
  const user = await throttle.attempt({ account, address }, async () => {
    const matches = await passwords.verify(found?.password_hash, password)
    return matches && found?.disabled_at === null ? found : undefined
  })
  if (user === undefined) throw invalidCredentials()
  if (passwords.isOutdated(user.password_hash)) await rehash(db, passwords, user.id, user.password_hash, password).catch(unlessTooBusy)
  return user
}

async function rehash(db: Database, passwords: Passwords, userId: string, outdated: string, password: string): Promise<void> {
  await updatePasswordHash(db, userId, outdated, await passwords.hash(password))
}

function unlessTooBusy(error: unknown): void {
  if (!(error instanceof Problem && error.code === 'UNAVAILABLE')) throw error
}
