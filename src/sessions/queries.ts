import { type Selectable, sql } from 'kysely'
import type { Sessions } from '../../generated/database.ts'
import type { Database } from '../database/database.ts'

const SESSION_COLUMNS = ['id', 'scopes', 'user_agent', 'ip_address', 'created_at', 'last_used_at', 'expires_at'] as const

export type SessionRow = Pick<Selectable<Sessions>, (typeof SESSION_COLUMNS)[number]>

/** The user's sessions after a position that have neither ended nor expired, in the order of the logins. */
export function listLiveSessions(db: Database, userId: string, afterId: string | undefined, limit: number): Promise<SessionRow[]> {
  return db
    .selectFrom('sessions')
    .select(SESSION_COLUMNS)
    .where('user_id', '=', userId)
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', sql<string>`now()`)
    .where('idle_expires_at', '>', sql<string>`now()`)
    .$if(afterId !== undefined, (query) => query.where('id', '>', String(afterId)))
    .orderBy('id')
    .limit(limit)
    .execute()
}
