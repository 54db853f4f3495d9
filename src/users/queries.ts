import type { Insertable, Selectable, Updateable } from 'kysely'
import type { Users } from '../../generated/database.ts'
import type { Database, Transaction } from '../database/database.ts'

export const USER_COLUMNS = ['id', 'email', 'email_verified_at', 'username', 'role', 'time_zone', 'disabled_at', 'created_at', 'updated_at'] as const

export type UserRow = Pick<Selectable<Users>, (typeof USER_COLUMNS)[number]>

export function findUser(db: Database, id: string): Promise<UserRow | undefined> {
  return db.selectFrom('users').select(USER_COLUMNS).where('id', '=', id).executeTakeFirst()
}

/** @param login a username or an e-mail address; usernames have no @ */
export function findUserByLogin(db: Database, login: string): Promise<(UserRow & { password_hash: string }) | undefined> {
  return db
    .selectFrom('users')
    .select([...USER_COLUMNS, 'password_hash'])
    .where((eb) => eb(eb.fn<string>('lower', [login.includes('@') ? 'email' : 'username']), '=', login.toLowerCase()))
    .executeTakeFirst()
}

export function insertUser(trx: Transaction, user: Insertable<Users>): Promise<UserRow> {
  return trx.insertInto('users').values(user).returning(USER_COLUMNS).executeTakeFirstOrThrow()
}

export function updateUser(db: Database, id: string, changes: Updateable<Users>): Promise<UserRow | undefined> {
  return db.updateTable('users').set(changes).where('id', '=', id).returning(USER_COLUMNS).executeTakeFirst()
}

/** Replaces a hash by a stronger one of the same password, unless the password has changed meanwhile. */
export async function updatePasswordHash(db: Database, id: string, from: string, to: string): Promise<void> {
  await db.updateTable('users').set({ password_hash: to }).where('id', '=', id).where('password_hash', '=', from).execute()
}
