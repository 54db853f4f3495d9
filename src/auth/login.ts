import { recordEvent } from '../audit/events.ts'
import type { Client, Principal } from '../contract/types.ts'
import type { Database } from '../database/database.ts'
import { invalidCredentials, invalidField, Problem } from '../problem.ts'
import {
  findUserByLogin,
  findUserWithPassword,
  lockUserOfPassword,
  type UserRow,
  type UserWithPassword,
  updatePasswordHash,
} from '../users/queries.ts'
import type { Identity } from './identity.ts'
import type { Passwords } from './passwords.ts'
import type { Login } from './sessions.ts'

type Credentials = Readonly<{ login: string; password: string }>

/**
 * Starts a session for the user with this name (or e-mail address) and password. Whether the user is unknown, disabled or has another password, answer
 * and duration are the same. A hash made with outdated parameters is replaced, unless the server is too busy: then a later login does so.
 * @param scopesFor what the session may do; it may throw a Problem
 * @throws Problem 401 INVALID_CREDENTIALS
 */
export async function logIn(
  db: Database,
  { passwords, sessions }: Identity,
  { login, password }: Credentials,
  scopesFor: (user: UserRow) => readonly string[],
  client: Client,
): Promise<Login> {
  const user = await findUserByLogin(db, login)
  const matches = await passwords.verify(user?.password_hash, password)
  if (!matches || user === undefined || user.disabled_at !== null) return refuse(db, user?.id, client)
  const scopes = scopesFor(user)
  const started = await db.transaction().execute(async (trx) => {
    // What ends all sessions changes the user first: it waits for this lock and then sees this session, or this sees what it did (test/auth/races.test.ts).
    if (!(await lockUserOfPassword(trx, user.id, user.password_hash))) return undefined
    return sessions.start(trx, user, scopes, client)
  })
  if (started === undefined) return refuse(db, user.id, client)
  if (passwords.isOutdated(user.password_hash)) await rehash(db, passwords, user, password).catch(unlessTooBusy)
  return started
}

async function refuse(db: Database, userId: string | undefined, client: Client): Promise<never> {
  await recordEvent(db, client, { action: 'login.failed', userId })
  throw invalidCredentials()
}

/**
 * Has somebody who is logged in prove that it is still them, before what a stolen token must not do.
 * @throws Problem 422 that names /currentPassword
 */
export async function requireOwnPassword(
  db: Database,
  passwords: Passwords,
  principal: Principal,
  currentPassword: string,
  client: Client,
): Promise<UserWithPassword> {
  const user = await findUserWithPassword(db, principal.id)
  const matches = await passwords.verify(user?.password_hash, currentPassword)
  if (matches && user !== undefined) return user
  await recordEvent(db, client, { action: 'password.refused', userId: principal.id, actor: principal })
  throw wrongPassword()
}

export const wrongPassword = () => invalidField('body', '/currentPassword', 'password', 'is not your password')

async function rehash(db: Database, passwords: Passwords, { id, password_hash }: UserWithPassword, password: string): Promise<void> {
  await updatePasswordHash(db, id, password_hash, await passwords.hash(password))
}

function unlessTooBusy(error: unknown): void {
  if (!(error instanceof Problem && error.code === 'UNAVAILABLE')) throw error
}
