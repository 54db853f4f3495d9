import t from 'tap'
import { startApp } from '../support/app.ts'
import { Replica } from './replica.ts'

t.test('listChanges', async (t) => {
  const { as, context, register } = await startApp(t)

  t.test('200: every change in its order, with what it left, and deletions', async (t) => {
    const ada = await register()
    const { body: list } = await as(ada)('createList', { body: { title: 'Groceries' }, expect: 201 })
    const { body: task } = await as(ada)('createListTask', {
      params: { listId: list.id },
      body: { title: 'Milk', dueDate: '2027-01-31' },
      expect: 201,
    })
    const { body: changed } = await as(ada)('updateTask', { params: { taskId: task.id }, body: { completed: true }, expect: 200 })
    await as(ada)('deleteTask', { params: { taskId: task.id }, expect: 204 })
    await as(ada)('updateList', { params: { listId: list.id }, body: { title: 'Food' }, expect: 200 })
    await as(ada)('deleteList', { params: { listId: list.id }, expect: 204 })

    const changes = await new Replica().catchUp(as, ada)
    t.same(
      changes.map(({ type }) => type),
      [
        ...['list.created', 'list.created', 'task.created', 'list.updated', 'task.updated', 'list.updated'],
        ...['task.deleted', 'list.updated', 'list.updated', 'list.deleted'],
      ],
    )
    const of = (type: string) => changes.find((change) => change.type === type)
    t.match(changes[0], { resource: 'list', state: { inbox: true }, actorId: ada.id, version: 1 })
    t.same(changes[1]?.state, list)
    t.same(of('task.created')?.state, task)
    t.same(of('task.updated')?.state, changed)
    t.match(of('task.deleted'), { resource: 'task', id: task.id, state: null, version: 3, actorId: ada.id })
    t.match(of('list.deleted'), { resource: 'list', id: list.id, state: null })
    t.match(
      changes.filter(({ type }) => type === 'list.updated').map(({ state }) => state),
      [{ openTasks: 1 }, { openTasks: 0, completedTasks: 1 }, { completedTasks: 0 }, { title: 'Food' }],
    )
  })

  t.test('200: versions are those of the ETag', async (t) => {
    const ada = await register()
    const { body: task } = await as(ada)('createTask', { body: { title: 'Milk' }, expect: 201 })
    const { headers } = await as(ada)('updateTask', { params: { taskId: task.id }, body: { title: 'Oat milk' }, expect: 200 })
    const changes = await new Replica().catchUp(as, ada)
    t.equal(`"${changes.find(({ type }) => type === 'task.updated')?.version}"`, headers.get('etag'))
  })

  t.test('200: from page to page, and on from the last one later', async (t) => {
    const ada = await register()
    for (let count = 0; count < 7; count++) await as(ada)('createTask', { body: { title: `${count}` }, expect: 201 })
    const byThrees = new Replica()
    const changes = await byThrees.catchUp(as, ada, 3)
    t.same(changes, await new Replica().catchUp(as, ada))
    t.same(await byThrees.catchUp(as, ada), [])
    const { body: task } = await as(ada)('createTask', { body: { title: 'later' }, expect: 201 })
    const later = await byThrees.catchUp(as, ada)
    t.same(
      later.map(({ type }) => type),
      ['task.created', 'list.updated'],
    )
    t.equal(later[0]?.id, task.id)
  })

  t.test('200: a list goes with its tasks, each of which is told of', async (t) => {
    const ada = await register()
    const { body: list } = await as(ada)('createList', { body: { title: 'x' }, expect: 201 })
    const ids: string[] = []
    for (let count = 0; count < 3; count++)
      ids.push((await as(ada)('createListTask', { params: { listId: list.id }, body: { title: 'x' }, expect: 201 })).body.id)
    const replica = new Replica()
    await replica.catchUp(as, ada)
    await as(ada)('deleteList', { params: { listId: list.id }, expect: 204 })
    const changes = await replica.catchUp(as, ada)
    t.same(
      changes.map(({ type, id }) => [type, id]),
      [...ids.map((id) => ['task.deleted', id]), ['list.deleted', list.id]],
    )
  })

  t.test('200: another time zone of mine moves all-day tasks', async (t) => {
    const ada = await register()
    const { body: task } = await as(ada)('createTask', { body: { title: 'x', dueDate: '2027-01-31' }, expect: 201 })
    const replica = new Replica()
    await replica.catchUp(as, ada)
    await as(ada)('updateMe', { body: { timeZone: 'Asia/Tokyo' }, expect: 200 })
    const changes = await replica.catchUp(as, ada)
    t.match(changes, [{ type: 'task.updated', id: task.id, state: { dueAt: '2027-01-31T15:00:00.000Z' } }])
    t.equal(changes.length, 1)
  })

  t.test('200: what failed or changed nothing is no change', async (t) => {
    const ada = await register()
    const { body: task } = await as(ada)('createTask', { body: { title: 'x' }, expect: 201 })
    const replica = new Replica()
    await replica.catchUp(as, ada)
    await as(ada)('updateTask', { params: { taskId: task.id }, body: { title: 'y' }, headers: { 'If-Match': '"7"' }, expect: 412 })
    await as(ada)('createTask', { body: { title: 'x', listId: task.id }, expect: 404 })
    await as(await register())('deleteTask', { params: { taskId: task.id }, expect: 404 })
    t.same(await replica.catchUp(as, ada), [])
  })

  t.test('422: a cursor of somebody else, of another operation, or of nobody', async (t) => {
    const [ada, eve] = [await register(), await register()]
    const { body: hers } = await as(ada)('listChanges', { expect: 200 })
    for (let count = 0; count < 2; count++) await as(eve)('createList', { body: { title: 'x' }, expect: 201 })
    const { body: lists } = await as(eve)('listLists', { query: { limit: 1 }, expect: 200 })
    for (const cursor of [hers.nextCursor, String(lists.nextCursor), `${hers.nextCursor}A`, 'AAAA', '0'])
      t.equal((await as(eve)('listChanges', { query: { cursor }, expect: 422 })).body.errors?.[0]?.path, '/cursor')
  })

  t.test('nothing of somebody who is gone is left', async (t) => {
    const ada = await register()
    await as(ada)('createTask', { body: { title: 'x' }, expect: 201 })
    await as(ada)('deleteMe', { body: { currentPassword: 'correct horse battery staple' }, expect: 204 })
    t.same(await context.db.selectFrom('changes').selectAll().where('owner_id', '=', ada.id).execute(), [])
  })
})
