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
 * @throws Problem 401 INVALID_CREDENTIALS, 429 after too many wrong passwords (LoginThrottle)
 */
export async function logIn(
  db: Database,
  { passwords, sessions, throttle }: Identity,
  { login, password }: Credentials,
  scopesFor: (user: UserRow) => readonly string[],
  client: Client,
): Promise<Login> {
  const found = await findUserByLogin(db, login)
  const account = found === undefined ? { login } : { userId: found.id }
  const user = await throttle.attempt({ account, address: client.address }, async () => {
    const matches = await passwords.verify(found?.password_hash, password)
    return matches && found?.disabled_at === null ? found : undefined
  })
  if (user === undefined) return refuse(db, found?.id, client)
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
 * @throws Problem 422 that names /currentPassword, 429 after too many wrong ones (LoginThrottle)
 */
export async function requireOwnPassword(
  db: Database,
  { passwords, throttle }: Identity,
  principal: Principal,
  currentPassword: string,
  client: Client,
): Promise<UserWithPassword> {
  const found = await findUserWithPassword(db, principal.id)
  const user = await throttle.attempt({ account: { userId: principal.id }, address: client.address }, async () =>
    (await passwords.verify(found?.password_hash, currentPassword)) ? found : undefined,
  )
  if (user !== undefined) return user
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
