import t from 'tap'
import { startApp } from '../support/app.ts'
import { changesOf, FAR, newTask } from './due.ts'

t.test('reminders of a task', async (t) => {
  const app = await startApp(t)
  const { as, context, register } = app
  const [ada, eve] = [await register(), await register()]
  const create = async (taskId: string, day: number) =>
    as(ada)('createReminder', { params: { taskId }, body: { at: `2099-03-0${day}T08:00:00Z` }, expect: 201 })

  t.test('are listed in the order of their creation, page by page', async (t) => {
    const { id: taskId } = await newTask(app, ada)
    const ids: string[] = []
    for (const day of [5, 1, 4, 2, 3]) ids.push((await create(taskId, day)).body.id)
    await create((await newTask(app, ada)).id, 1)
    const listed: string[] = []
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const { body } = await as(ada)('listReminders', { params: { taskId }, query: { limit: 2, ...(cursor && { cursor }) }, expect: 200 })
      t.ok(body.items.length <= 2)
      listed.push(...body.items.map(({ id }) => id))
      cursor = body.nextCursor
    }
    t.same(listed, ids)
  })

  t.test('listReminders: 422 for a cursor of another task, 404 for a task that is nobody’s or another’s', async (t) => {
    const [one, other] = [await newTask(app, ada), await newTask(app, ada)]
    for (const day of [1, 2]) await create(one.id, day)
    const { body } = await as(ada)('listReminders', { params: { taskId: one.id }, query: { limit: 1 }, expect: 200 })
    const cursor = String(body.nextCursor)
    t.match(await as(ada)('listReminders', { params: { taskId: other.id }, query: { cursor } }), {
      status: 422,
      body: { errors: [{ path: '/cursor' }] },
    })
    t.equal((await as(eve)('listReminders', { params: { taskId: one.id } })).status, 404)
    t.equal((await as(ada)('listReminders', { params: { taskId: ada.id } })).status, 404)
    t.same((await as(ada)('listReminders', { params: { taskId: other.id }, expect: 200 })).body, { items: [], nextCursor: null })
  })

  t.test('createReminder, getReminder and deleteReminder: 404 to a stranger', async (t) => {
    const { id: taskId } = await newTask(app, ada)
    const { body } = await create(taskId, 1)
    t.equal((await as(eve)('createReminder', { params: { taskId }, body: { at: FAR } })).status, 404)
    t.equal((await as(eve)('getReminder', { params: { reminderId: body.id } })).status, 404)
    t.equal((await as(eve)('deleteReminder', { params: { reminderId: body.id } })).status, 404)
    t.same((await as(ada)('getReminder', { params: { reminderId: body.id }, expect: 200 })).body, body)
  })

  t.test('getReminder: 304 while it is that version', async (t) => {
    const { body, headers } = await create((await newTask(app, ada)).id, 1)
    const get = (etag: string) => as(ada)('getReminder', { params: { reminderId: body.id }, headers: { 'If-None-Match': etag } })
    t.equal((await get(headers.get('etag') ?? '')).status, 304)
    t.equal((await get('"2"')).status, 200)
  })

  t.test('deleteReminder: 412 in another version, then 204, then 404, and a tombstone', async (t) => {
    const grace = await register()
    const task = await newTask(app, grace, { dueDate: '2099-03-01' })
    const { body, headers } = await as(grace)('createReminder', { params: { taskId: task.id }, body: { minutesBefore: 5 }, expect: 201 })
    await as(grace)('updateTask', { params: { taskId: task.id }, body: { dueDate: '2099-03-02' }, expect: 200 })
    const remove = (etag: string) => as(grace)('deleteReminder', { params: { reminderId: body.id }, headers: { 'If-Match': etag } })
    t.equal(headers.get('etag'), '"1"')
    t.match(await remove('"1"'), { status: 412, body: { code: 'PRECONDITION_FAILED' } })
    t.equal((await remove('"2"')).status, 204)
    t.equal((await remove('"2"')).status, 404)
    t.match(await changesOf(context, grace), [
      { type: 'reminder.created', version: 1 },
      { type: 'reminder.updated', version: 2, actor_id: grace.id, state: { minutes_before: 5, version: 2 } },
      { type: 'reminder.deleted', version: 3, state: null, resource_id: body.id, actor_id: grace.id },
    ])
  })

  for (const [what, end] of [
    ['their task is completed', (taskId: string) => as(ada)('updateTask', { params: { taskId }, body: { completed: true }, expect: 200 })],
    ['their task is deleted', (taskId: string) => as(ada)('deleteTask', { params: { taskId }, expect: 204 })],
    ['their list is deleted', (_: string, listId: string) => as(ada)('deleteList', { params: { listId }, expect: 204 })],
  ] as const) {
    t.test(`go when ${what}, with a tombstone each`, async (t) => {
      const { body: list } = await as(ada)('createList', { body: { title: 'Doomed' }, expect: 201 })
      const task = await newTask(app, ada, { listId: list.id, dueDate: '2099-03-01' })
      const { body: absolute } = await create(task.id, 1)
      const { body: relative } = await as(ada)('createReminder', { params: { taskId: task.id }, body: { minutesBefore: 5 }, expect: 201 })
      const ids = [absolute.id, relative.id]
      const before = (await changesOf(context, ada)).length
      await end(task.id, list.id)
      for (const reminderId of ids) t.equal((await as(ada)('getReminder', { params: { reminderId } })).status, 404)
      const changes = (await changesOf(context, ada)).slice(before)
      t.same(new Set(changes.map(({ resource_id }) => resource_id)), new Set(ids))
      for (const change of changes) t.match(change, { type: 'reminder.deleted', version: 2, state: null, actor_id: ada.id })
    })
  }

  t.test('do not come back when a completed task is opened again', async (t) => {
    const { id: taskId } = await newTask(app, ada)
    await create(taskId, 1)
    for (const completed of [true, false]) await as(ada)('updateTask', { params: { taskId }, body: { completed }, expect: 200 })
    t.same((await as(ada)('listReminders', { params: { taskId }, expect: 200 })).body.items, [])
  })
})
