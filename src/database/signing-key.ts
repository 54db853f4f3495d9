import { sql } from 'kysely'
import type { Database } from './database.ts'

/** The secrets of the settings are not those that the other instances sign with; the message says what to do. */
export class ForeignKeysError extends Error {}

/**
 * Sees to it that all instances on one database can verify what each of them signs: the database keeps the id of the key that signs. An instance that
 * knows this one, and signs with another, has been started to rotate the keys: its key is kept from then on.
 * @param ids of the keys of this instance, the one that signs first
 * @throws ForeignKeysError when the kept key is not among them
 */
export async function requireSharedKey(db: Database, ids: readonly [current: string, ...previous: string[]]): Promise<void> {
  const [current] = ids
  await db
    .insertInto('signing_key')
    .values({ key_id: current })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  const { numUpdatedRows } = await db
    .updateTable('signing_key')
    .set({ key_id: current, changed_at: sql`case when key_id = ${current} then changed_at else now() end` })
    .where('key_id', 'in', [...ids])
    .executeTakeFirstOrThrow()
  if (numUpdatedRows === 0n) {
    throw new ForeignKeysError(
      'The keys of this instance are not those of the database: with AUTH_KEYS (or AUTH_SECRET) as it is, it could not verify what others have signed. ' +
        'Name the key in use as well: AUTH_KEYS=<new>,<in use>. If it is lost, "npm run replace-keys" starts anew with the keys of the settings: everybody has to log in again.',
    )
  }
}

/** Starts anew with other keys: nothing that was signed before is good any more. */
export async function replaceSharedKey(db: Database, id: string): Promise<void> {
  await db
    .insertInto('signing_key')
    .values({ key_id: id })
    .onConflict((conflict) => conflict.column('singleton').doUpdateSet({ key_id: id, changed_at: sql`now()` }))
    .execute()
}
