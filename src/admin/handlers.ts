import { deleteUserForGood } from '../account/deletion.ts'
import { recordEvent } from '../audit/events.ts'
import { presentAuditEvent } from '../audit/presenter.ts'
import { listAuditEvents } from '../audit/queries.ts'
import type { Identity } from '../auth/identity.ts'
import type { Context } from '../context.ts'
import type { HandlersOf } from '../contract/types.ts'
import { pageOf } from '../database/pagination.ts'
import { instantOf } from '../instant.ts'
import { type DeadJobRow, listDeadJobs } from '../jobs/queries.ts'
import { notFound } from '../problem.ts'
import { findUser } from '../users/queries.ts'
import { changeUser } from './change-user.ts'
import { presentAdminUser, presentDeadJob } from './presenter.ts'
import { listUsers } from './queries.ts'

export const adminHandlers = ({ db, patientDb, cursors }: Context, { sessions }: Identity): HandlersOf<'admin'> => ({
  async listUsers({ query: { q, role, disabled, limit, cursor }, user, client }, respond) {
    const belongsTo = 'users'
    const after = cursors.after(belongsTo, cursor)
    await recordEvent(db, client, { action: 'users.listed', actor: user })
    const rows = await listUsers(db, { text: q, role, disabled, afterId: after?.id, limit: limit + 1 })
    return respond(200, cursors.pageById(belongsTo, rows, limit, presentAdminUser))
  },

  async getUser({ params: { userId }, user, client }, respond) {
    const found = await findUser(db, userId)
    if (found === undefined) throw notFound('user')
    await recordEvent(db, client, { action: 'user.read', userId, actor: user })
    return respond(200, presentAdminUser(found))
  },

  async updateUser({ params: { userId }, body, user, client }, respond) {
    const changed = await sessions.ending(db, (trx) => changeUser(trx, userId, body, user, client))
    if (changed === undefined) throw notFound('user')
    return respond(200, presentAdminUser(changed))
  },

  async deleteUser({ params: { userId }, user, client }, respond) {
    if (!(await sessions.ending(patientDb, (trx) => deleteUserForGood(trx, userId, user, client)))) throw notFound('user')
    return respond(204)
  },

  async listAuditEvents({ query: { userId, action, from, to, limit, cursor } }, respond) {
    const belongsTo = 'audit-events'
    const after = cursors.after(belongsTo, cursor)
    const rows = await listAuditEvents(db, {
      userId,
      action,
      from: from && instantOf(from),
      to: to && instantOf(to),
      beforeId: after?.id,
      limit: limit + 1,
    })
    return respond(200, cursors.pageById(belongsTo, rows, limit, presentAuditEvent))
  },

  async listDeadJobs({ query: { limit, cursor } }, respond) {
    const belongsTo = 'dead-jobs'
    const rows = await listDeadJobs(db, { after: cursors.after(belongsTo, cursor), limit: limit + 1 })
    const cursorAfter = ({ position, id }: DeadJobRow) => cursors.encode(belongsTo, { key: position, id })
    return respond(200, pageOf(rows, limit, presentDeadJob, cursorAfter))
  },
})
