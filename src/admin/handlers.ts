import type { Context } from '../context.ts'
import type { HandlersOf } from '../contract/types.ts'
import { pageOf } from '../database/pagination.ts'
import { invalidCursor } from '../problem.ts'
import { presentAdminUser } from './presenter.ts'
import { listUsers } from './queries.ts'

const BELONGS_TO = 'users'

export const adminHandlers = ({ db, cursors }: Context): HandlersOf<'admin'> => ({
  async listUsers({ query: { q, role, disabled, limit, cursor } }, respond) {
    const after = cursor === undefined ? undefined : cursors.decode(BELONGS_TO, cursor)
    if (cursor !== undefined && after === undefined) throw invalidCursor()
    const rows = await listUsers(db, {
      text: q,
      role,
      disabled,
      afterId: after?.id,
      limit: limit + 1,
    })
    return respond(
      200,
      pageOf(rows, limit, presentAdminUser, ({ id }) => cursors.encode(BELONGS_TO, { key: null, id })),
    )
  },
})
