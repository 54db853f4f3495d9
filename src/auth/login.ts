import { recordEvent } from '../audit/events.ts'
import type { Context } from '../context.ts'
import type { Client, Principal } from '../contract/types.ts'
import type { Database } from '../database/database.ts'
import { invalidCredentials, invalidField, Problem } from '../problem.ts'
import { findUserByLogin, findUserWithPassword, type UserRow, type UserWithPassword, updatePasswordHash } from '../users/queries.ts'
import type { Identity } from './identity.ts'
import type { Passwords } from './passwords.ts'
import type { Login } from './sessions.ts'

type Credentials = Readonly<{ login: string; password: string }>

/**
 * Starts a session for the user with this name (or e-mail address) and password. Whether the user is unknown, disabled or has another password, answer
 * and duration are the same. A hash made with outdated parameters is replaced, unless that fails: then a later login does so.
 * @param scopesFor what the session may do; it may throw a Problem
 * @throws Problem 401 INVALID_CREDENTIALS, 429 after too many wrong passwords (LoginThrottle)
 */
export async function logIn(
  db: Database,
  identity: Identity,
  credentials: Credentials,
  scopesFor: (user: UserRow) => readonly string[],
  client: Client,
): Promise<Login> {
  // Once more if the password's hash was replaced in this very moment: by a stronger one of the same password, or of another.
  const login = (await tryToLogIn(db, identity, credentials, scopesFor, client)) ?? (await tryToLogIn(db, identity, credentials, scopesFor, client))
  if (login === undefined) throw invalidCredentials()
  return login
}

async function tryToLogIn(
  db: Database,
  { passwords, sessions, throttle, throttled }: Identity,
  { login, password }: Credentials,
  scopesFor: (user: UserRow) => readonly string[],
  client: Client,
): Promise<Login | undefined> {
  const found = await findUserByLogin(db, login)
  const attempt = throttle.attempt({ account: { name: login, userId: found?.id }, address: client.address }, async () => {
    const matches = await passwords.verify(found?.password_hash, password)
    return matches && found?.disabled_at === null ? found : undefined
  })
  const user = await attempt.catch(async (error) => {
    if (isRateLimited(error) && throttled.take(client.address)) await recordEvent(db, client, { action: 'login.throttled', userId: found?.id })
    throw error
  })
  if (user === undefined) {
    await recordEvent(db, client, { action: 'login.failed', userId: found?.id })
    throw invalidCredentials()
  }
  const scopes = await scopesOrDenial(db, user, scopesFor, client)
  const started = await sessions.start(db, user, scopes, client)
  // The session is there: that a stronger hash cannot be made now must not fail the login.
  if (started !== undefined && passwords.isOutdated(user.password_hash)) await rehash(db, passwords, user, password).catch(() => undefined)
  return started
}

/** Somebody gave the right password, so that they asked for too much must leave a trace. */
async function scopesOrDenial(
  db: Database,
  user: UserRow,
  scopesFor: (user: UserRow) => readonly string[],
  client: Client,
): Promise<readonly string[]> {
  try {
    return scopesFor(user)
  } catch (error) {
    await recordEvent(db, client, { action: 'access.denied', userId: user.id, actor: { id: user.id } })
    throw error
  }
}

const isRateLimited = (error: unknown) => error instanceof Problem && error.code === 'RATE_LIMITED'

/**
 * Has somebody who is logged in prove that it is still them, before what a stolen token must not do. A failure is counted and noted down whatever becomes
 * of the transaction that `db` may be.
 * @throws Problem 422 that names /currentPassword, 429 after too many wrong ones (LoginThrottle)
 */
export async function requireOwnPassword(
  { db, reservedDb }: Pick<Context, 'db' | 'reservedDb'>,
  { passwords, throttle }: Identity,
  principal: Principal,
  currentPassword: string,
  client: Client,
): Promise<UserWithPassword> {
  const found = await findUserWithPassword(db, principal.id)
  const user = await throttle.attempt(
    { account: { name: `user ${principal.id}`, userId: principal.id }, address: client.address },
    async () => ((await passwords.verify(found?.password_hash, currentPassword)) ? found : undefined),
    { db: reservedDb, holdsConnection: db.isTransaction },
  )
  if (user !== undefined) return user
  await recordEvent(reservedDb, client, { action: 'password.refused', userId: principal.id, actor: principal })
  throw wrongPassword()
}

export const wrongPassword = () => invalidField('body', '/currentPassword', 'password', 'is not your password')

async function rehash(db: Database, passwords: Passwords, { id, password_hash }: UserWithPassword, password: string): Promise<void> {
  await updatePasswordHash(db, id, password_hash, await passwords.hash(password))
}
