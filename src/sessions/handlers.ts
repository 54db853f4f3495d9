import { recordEvent } from '../audit/events.ts'
import type { Identity } from '../auth/identity.ts'
import { revokeSession, revokeSessions } from '../auth/queries.ts'
import type { Context } from '../context.ts'
import type { HandlersOf } from '../contract/types.ts'
import { notFound } from '../problem.ts'
import { presentSession } from './presenter.ts'
import { listLiveSessions } from './queries.ts'

export const sessionHandlers = ({ db, cursors }: Context, { sessions, lastUses }: Identity): HandlersOf<'sessions'> => ({
  async listSessions({ query: { limit, cursor }, user }, respond) {
    const belongsTo = `sessions ${user.id}`
    const after = cursors.after(belongsTo, cursor)
    await lastUses.flush()
    const rows = await listLiveSessions(db, user.id, after?.id, limit + 1)
    return respond(200, cursors.pageById(belongsTo, rows, limit, presentSession(user.sessionId)))
  },

  async revokeSession({ params: { sessionId }, user, client }, respond) {
    await sessions.ending(db, async (trx) => {
      if (!(await revokeSession(trx, user.id, sessionId))) throw notFound('session')
      await recordEvent(trx, client, { action: 'session.revoked', userId: user.id, actor: user, objectId: sessionId })
    })
    return respond(204)
  },

  async revokeOtherSessions({ user, client }, respond) {
    await sessions.ending(db, async (trx) => {
      await revokeSessions(trx, user.id, user.sessionId)
      await recordEvent(trx, client, { action: 'sessions.revoked', userId: user.id, actor: user })
    })
    return respond(204)
  },
})
