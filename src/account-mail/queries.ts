import { type Insertable, type Selectable, type SqlBool, sql } from 'kysely'
import type { MailTokenPurpose, MailTokens } from '../../generated/database.ts'
import type { Database, Transaction } from '../database/database.ts'
import type { MailTokenContent } from './tokens.ts'

type MailTokenRow = Pick<Selectable<MailTokens>, 'purpose' | 'email'>

/** A token that has not expired, of a user who is not disabled; it dies with their address, unless it is there to change that. */
const isGood = sql<SqlBool>`
  mail_tokens.expires_at > now() and exists (
    select from users
    where users.id = mail_tokens.user_id and users.disabled_at is null
      and (mail_tokens.purpose = 'change_email' or users.email = mail_tokens.email)
  )`

export async function insertMailToken(
  trx: Transaction,
  token: Pick<Insertable<MailTokens>, 'user_id' | 'id' | 'purpose' | 'email'>,
  seconds: number,
): Promise<void> {
  await trx
    .insertInto('mail_tokens')
    .values({ ...token, expires_at: sql`now() + make_interval(secs => ${seconds})` })
    .execute()
}

export function findMailToken(db: Database, userId: string, id: string): Promise<MailTokenRow | undefined> {
  return db.selectFrom('mail_tokens').select(['purpose', 'email']).where('user_id', '=', userId).where('id', '=', id).where(isGood).executeTakeFirst()
}

/** Uses a token up: of many requests at once, one gets it. */
export function takeMailToken(trx: Transaction, { userId, id, purpose }: MailTokenContent): Promise<MailTokenRow | undefined> {
  return trx
    .deleteFrom('mail_tokens')
    .where('user_id', '=', userId)
    .where('id', '=', id)
    .where('purpose', '=', purpose)
    .where(isGood)
    .returning(['purpose', 'email'])
    .executeTakeFirst()
}

/**
 * Ends the tokens of a user for these purposes. They expire at their creation, not now: a transaction that began before this one, and waits for the user,
 * has an earlier now.
 */
export async function voidMailTokens(trx: Transaction, userId: string, purposes: readonly MailTokenPurpose[]): Promise<void> {
  await trx
    .updateTable('mail_tokens')
    .set((eb) => ({ expires_at: eb.ref('created_at') }))
    .where('user_id', '=', userId)
    .where('purpose', 'in', [...purposes])
    .execute()
}

/**
 * What was mailed to a user for a purpose of late.
 * @returns justNow: those to this address that are good and less than a minute old; lastHour: all, also those that are void by now
 */
export function countMailTokens(
  trx: Transaction,
  userId: string,
  purpose: MailTokenPurpose,
  email: string,
): Promise<Readonly<{ justNow: number; lastHour: number }>> {
  return trx
    .selectFrom('mail_tokens')
    .select([
      sql<number>`
        (count(*) filter (where created_at > now() - interval '1 minute' and expires_at > now() and lower(email) = lower(${email})))::int`.as(
        'justNow',
      ),
      sql<number>`count(*)::int`.as('lastHour'),
    ])
    .where('user_id', '=', userId)
    .where('purpose', '=', purpose)
    .where('created_at', '>', sql<string>`now() - interval '1 hour'`)
    .executeTakeFirstOrThrow()
}

/**
 * Deletes tokens that expired more than a day ago: until then they are counted.
 * @returns how many
 */
export async function deleteExpiredMailTokens(db: Database, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from mail_tokens where (user_id, id) in (
      select user_id, id from mail_tokens where expires_at < now() - interval '1 day' limit ${limit}
    )`.execute(db)
  return Number(numAffectedRows)
}
