import type { Context } from '../context.ts'
import type { HandlersOf } from '../contract/types.ts'
import { pageOf } from '../database/pagination.ts'
import { etagOf, versionsOf } from '../etag.ts'
import { findList } from '../lists/queries.ts'
import { notFound, preconditionFailed } from '../problem.ts'
import { changesOf, createTask, refusingForeignList } from './changes.ts'
import { taskPage } from './page.ts'
import { presentCategory, presentTask } from './presenter.ts'
import * as tasks from './queries.ts'

export function taskHandlers(context: Context): HandlersOf<'tasks'> {
  const { db, cursors } = context
  return {
    async listTasks({ query, user }, respond) {
      return respond(200, await taskPage(context, query, user.id))
    },

    async listListTasks({ params, query, user }, respond) {
      const page = await taskPage(context, query, user.id, params.listId)
      // A list with tasks is there; only an empty page leaves it open.
      if (page.items.length === 0 && (await findList(db, user.id, params.listId)) === undefined) throw notFound('list')
      return respond(200, page)
    },

    async createTask({ body, user }, respond) {
      const task = await createTask(db, user.id, body, body.listId)
      return respond(201, presentTask(task), {
        headers: { Location: `/api/v1/tasks/${task.id}`, ETag: etagOf(task) },
      })
    },

    async createListTask({ params, body, user }, respond) {
      const task = await createTask(db, user.id, body, params.listId)
      return respond(201, presentTask(task), {
        headers: { Location: `/api/v1/tasks/${task.id}`, ETag: etagOf(task) },
      })
    },

    async getTask({ params, user }, respond) {
      const task = await tasks.findTask(db, user.id, params.taskId)
      if (task === undefined) throw notFound('task')
      return respond(200, presentTask(task), {
        headers: { ETag: etagOf(task) },
      })
    },

    async updateTask({ params, body, ifMatch, user }, respond) {
      const task = await refusingForeignList(tasks.updateTask(db, user.id, params.taskId, changesOf(body), ifMatch && versionsOf(ifMatch)))
      if (task !== undefined)
        return respond(200, presentTask(task), {
          headers: { ETag: etagOf(task) },
        })
      throw (await tasks.findTask(db, user.id, params.taskId)) === undefined ? notFound('task') : preconditionFailed('task')
    },

    async deleteTask({ params, ifMatch, user }, respond) {
      if (await tasks.deleteTask(db, user.id, params.taskId, ifMatch && versionsOf(ifMatch))) return respond(204)
      throw (await tasks.findTask(db, user.id, params.taskId)) === undefined ? notFound('task') : preconditionFailed('task')
    },

    async listCategories({ query: { limit, cursor }, user }, respond) {
      const belongsTo = `categories ${user.id}`
      const after = cursors.after(belongsTo, cursor)
      const rows = await tasks.listCategories(db, user.id, after?.id, limit + 1)
      return respond(
        200,
        pageOf(rows, limit, presentCategory, ({ name }) => cursors.encode(belongsTo, { key: null, id: name })),
      )
    },
  }
}
