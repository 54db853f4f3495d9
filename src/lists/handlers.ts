import type { Context } from '../context.ts'
import type { HandlersOf } from '../contract/types.ts'
import { etagOf, versionsOf } from '../etag.ts'
import { createdAtOf, newId } from '../id.ts'
import { conflict, notFound, preconditionFailed } from '../problem.ts'
import { refusingGone } from '../users/gone.ts'
import { presentList } from './presenter.ts'
import * as lists from './queries.ts'

export const listHandlers = ({ db, cursors }: Context): HandlersOf<'lists'> => ({
  async listLists({ query: { limit, cursor }, user }, respond) {
    const belongsTo = `lists ${user.id}`
    const after = cursors.after(belongsTo, cursor)
    const rows = await lists.listLists(db, user.id, after?.id, limit + 1)
    return respond(200, cursors.pageById(belongsTo, rows, limit, presentList))
  },

  async createList({ body, user }, respond) {
    const id = newId()
    const createdAt = createdAtOf(id)
    const row = { owner_id: user.id, id, title: body.title, description: body.description ?? null, created_at: createdAt, updated_at: createdAt }
    const list = await refusingGone(lists.insertList(db, row))
    return respond(201, presentList(list), {
      headers: { Location: `/api/v1/lists/${id}`, ETag: etagOf(list) },
    })
  },

  async getList({ params, user }, respond) {
    const list = await lists.findList(db, user.id, params.listId)
    if (list === undefined) throw notFound('list')
    return respond(200, presentList(list), { headers: { ETag: etagOf(list) } })
  },

  async updateList({ params, body, ifMatch, user }, respond) {
    const changes = {
      ...(body.title !== undefined && { title: body.title }),
      ...(body.description !== undefined && { description: body.description }),
      updated_at: new Date().toISOString(),
    }
    const list = await lists.updateList(db, user.id, params.listId, changes, ifMatch && versionsOf(ifMatch))
    if (list !== undefined)
      return respond(200, presentList(list), {
        headers: { ETag: etagOf(list) },
      })
    throw (await lists.findList(db, user.id, params.listId)) === undefined ? notFound('list') : preconditionFailed('list')
  },

  async deleteList({ params, ifMatch, user }, respond) {
    if (await lists.deleteList(db, user.id, params.listId, ifMatch && versionsOf(ifMatch))) return respond(204)
    const list = await lists.findList(db, user.id, params.listId)
    if (list === undefined) throw notFound('list')
    throw list.inbox ? conflict('The inbox cannot be deleted.') : preconditionFailed('list')
  },
})
