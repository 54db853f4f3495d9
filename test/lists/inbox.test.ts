import t from 'tap'
import { type Person, startApp } from '../support/app.ts'

t.test('the inbox', async (t) => {
  const { as, register } = await startApp(t)
  const inboxOf = async (person: Person) => {
    const { body } = await as(person)('listLists', { expect: 200 })
    const [first] = body.items
    if (first === undefined) throw new Error('There is no list.')
    return first
  }

  t.test('listLists: 200, there is exactly one list at registration', async (t) => {
    const ada = await register()
    const { body } = await as(ada)('listLists', { expect: 200 })
    t.match(body, { items: [{ title: 'Inbox', description: null, inbox: true, openTasks: 0, completedTasks: 0 }], nextCursor: null })
    t.equal(body.items.length, 1)
  })

  t.test('listLists: 200, the inbox stays first and the only one', async (t) => {
    const ada = await register()
    for (const title of ['A', 'B', 'C']) await as(ada)('createList', { body: { title }, expect: 201 })
    const { body } = await as(ada)('listLists', { expect: 200 })
    t.same(
      body.items.map(({ title, inbox }) => [title, inbox]),
      [
        ['Inbox', true],
        ['A', false],
        ['B', false],
        ['C', false],
      ],
    )
  })

  t.test('createTask: 201 in the inbox when the body names no list', async (t) => {
    const ada = await register()
    await as(ada)('createList', { body: { title: 'Another' }, expect: 201 })
    const { body: task } = await as(ada)('createTask', { body: { title: 'x' }, expect: 201 })
    const inbox = await inboxOf(ada)
    t.equal(task.listId, inbox.id)
    t.equal(inbox.openTasks, 1)
  })

  t.test('deleteList: 409 for the inbox, and it is still there with its tasks', async (t) => {
    const ada = await register()
    const { body: task } = await as(ada)('createTask', { body: { title: 'x' }, expect: 201 })
    const params = { listId: task.listId }
    const { body, headers } = await as(ada)('deleteList', { params, expect: 409 })
    t.match(body, { code: 'CONFLICT', detail: 'The inbox cannot be deleted.' })
    t.equal(headers.get('etag'), null)
    const { headers: got } = await as(ada)('getList', { params, expect: 200 })
    await as(ada)('deleteList', { params, headers: { 'If-Match': got.get('etag') ?? '' }, expect: 409 })
    await as(ada)('getTask', { params: { taskId: task.id }, expect: 200 })
  })

  t.test('updateList: 200, the inbox may be renamed and described, and stays the inbox', async (t) => {
    const ada = await register()
    const { id: listId } = await inboxOf(ada)
    const { body } = await as(ada)('updateList', { params: { listId }, body: { title: 'Eingang', description: 'Everything' }, expect: 200 })
    t.match(body, { title: 'Eingang', description: 'Everything', inbox: true })
    t.equal((await as(ada)('createTask', { body: { title: 'x' }, expect: 201 })).body.listId, listId)
    await as(ada)('deleteList', { params: { listId }, expect: 409 })
  })

  t.test('listLists: 200, everybody has an inbox of their own', async (t) => {
    const [ada, grace] = [await register(), await register()]
    await as(ada)('createTask', { body: { title: 'x' }, expect: 201 })
    t.not((await inboxOf(ada)).id, (await inboxOf(grace)).id)
    t.equal((await inboxOf(grace)).openTasks, 0)
  })
})
