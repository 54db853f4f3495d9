import { sql } from 'kysely'
import type { UserRole } from '../../generated/database.ts'
import type { Database } from '../database/database.ts'
import { USER_COLUMNS, type UserRow } from '../users/queries.ts'

type UserListing = Readonly<{
  text: string | undefined
  role: UserRole | undefined
  disabled: boolean | undefined
  afterId: string | undefined
  limit: number
}>

/** All users that pass the filters, in the order of registration. A text is looked for in every row: this is no listing for crowds. */
export function listUsers(db: Database, { text, role, disabled, afterId, limit }: UserListing): Promise<UserRow[]> {
  let query = db.selectFrom('users').select(USER_COLUMNS)
  if (text !== undefined) query = query.where((eb) => eb.or([contains('username', text), contains('email', text)]))
  if (role !== undefined) query = query.where('role', '=', role)
  if (disabled !== undefined) query = query.where('disabled_at', disabled ? 'is not' : 'is', null)
  if (afterId !== undefined) query = query.where('id', '>', afterId)
  return query.orderBy('id').limit(limit).execute()
}

/** The text itself: `%` and `_` mean nothing else. */
function contains(column: 'username' | 'email', text: string) {
  return sql<boolean>`position(${text.toLowerCase()} in lower(${sql.ref(`users.${column}`)})) > 0`
}
