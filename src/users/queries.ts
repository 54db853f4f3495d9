import type { Insertable, Selectable, Updateable } from 'kysely'
import type { Users } from '../../generated/database.ts'
import type { Principal } from '../contract/types.ts'
import type { Database, Transaction } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'

export const USER_COLUMNS = ['id', 'email', 'email_verified_at', 'username', 'role', 'time_zone', 'disabled_at', 'created_at', 'updated_at'] as const

export type UserRow = Pick<Selectable<Users>, (typeof USER_COLUMNS)[number]>

export type UserWithPassword = UserRow & Readonly<{ password_hash: string }>

export function findUser(db: Database, id: string): Promise<UserRow | undefined> {
  return db.selectFrom('users').select(USER_COLUMNS).where('id', '=', id).executeTakeFirst()
}

const findBy = (column: 'email' | 'username') =>
  prepared((db, value: { login: string }) =>
    db
      .selectFrom('users')
      .select([...USER_COLUMNS, 'password_hash'])
      .where((eb) => eb(eb.fn<string>('lower', [column]), '=', value.login)),
  )

const findByEmail = findBy('email')
const findByUsername = findBy('username')

/** @param login a username or an e-mail address; usernames have no @ */
export function findUserByLogin(db: Database, login: string): Promise<UserWithPassword | undefined> {
  const find = login.includes('@') ? findByEmail : findByUsername
  return find.first(db, { login: login.toLowerCase() })
}

export function insertUser(trx: Transaction, user: Insertable<Users>): Promise<UserRow> {
  return trx.insertInto('users').values(user).returning(USER_COLUMNS).executeTakeFirstOrThrow()
}

export function updateUser(db: Database, id: string, changes: Updateable<Users>): Promise<UserRow | undefined> {
  return db.updateTable('users').set(changes).where('id', '=', id).returning(USER_COLUMNS).executeTakeFirst()
}

export function findUserWithPassword(db: Database, id: string): Promise<UserWithPassword | undefined> {
  return db
    .selectFrom('users')
    .select([...USER_COLUMNS, 'password_hash'])
    .where('id', '=', id)
    .executeTakeFirst()
}

/** The user, whom nobody else can change until this transaction ends. */
export function lockUser(trx: Transaction, id: string): Promise<UserRow | undefined> {
  return trx.selectFrom('users').select(USER_COLUMNS).where('id', '=', id).forNoKeyUpdate().executeTakeFirst()
}

/**
 * Locks a user who is no admin, or a disabled one, until this transaction ends; rows may refer to them all the same.
 * @returns whether there is such a user
 */
export async function lockUnlessAdmin(trx: Transaction, id: string): Promise<boolean> {
  const user = await trx
    .selectFrom('users')
    .select('id')
    .where('id', '=', id)
    .where((eb) => eb.or([eb('role', '<>', 'admin'), eb('disabled_at', 'is not', null)]))
    .forNoKeyUpdate()
    .executeTakeFirst()
  return user !== undefined
}

/**
 * The ids of all admins who are not disabled. None of them can be changed until this transaction ends, nor can a user who is about to be: all are locked
 * in one order, as two who lock the same in different orders would wait for each other.
 */
export async function lockAdminsAnd(trx: Transaction, userId: string): Promise<string[]> {
  const users = await trx
    .selectFrom('users')
    .select(['id', 'role', 'disabled_at'])
    .where((eb) => eb.or([eb.and([eb('role', '=', 'admin'), eb('disabled_at', 'is', null)]), eb('id', '=', userId)]))
    .orderBy('id')
    .forNoKeyUpdate()
    .execute()
  return users.filter(({ role, disabled_at }) => role === 'admin' && disabled_at === null).map(({ id }) => id)
}

/**
 * Keeps a user as they are until this transaction ends; a login does so by itself (insertSession in auth/queries.ts).
 * @returns false for one who is disabled or gone, or who has another password by now
 */
export async function lockUserOfPassword(trx: Transaction, id: string, hash: string): Promise<boolean> {
  const user = await trx
    .selectFrom('users')
    .select('id')
    .where('id', '=', id)
    .where('password_hash', '=', hash)
    .where('disabled_at', 'is', null)
    .forShare()
    .executeTakeFirst()
  return user !== undefined
}

/** Whether the session or the API token of a request still lives, for what must not come after their end (test/security/account-races.test.ts). */
export async function isStillLoggedIn(trx: Transaction, { id, sessionId, apiTokenId }: Principal): Promise<boolean> {
  const lives =
    sessionId === undefined
      ? trx
          .selectFrom('api_tokens')
          .select('id')
          .where('user_id', '=', id)
          .where('id', '=', apiTokenId ?? null)
      : trx.selectFrom('sessions').select('id').where('user_id', '=', id).where('id', '=', sessionId).where('revoked_at', 'is', null)
  return (await lives.executeTakeFirst()) !== undefined
}

/**
 * Replaces a password's hash, unless it has been replaced meanwhile.
 * @returns whether it was replaced
 */
export async function updatePasswordHash(db: Database, id: string, from: string, to: string): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('users')
    .set({ password_hash: to })
    .where('id', '=', id)
    .where('password_hash', '=', from)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}
