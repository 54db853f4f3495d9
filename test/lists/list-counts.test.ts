import t from 'tap'
import { startApp } from '../support/app.ts'

t.test('openTasks and completedTasks', async (t) => {
  const { as, register } = await startApp(t)
  const ada = await register()
  const createList = async (title: string) => (await as(ada)('createList', { body: { title }, expect: 201 })).body.id
  const createTask = async (listId: string, completed = false) =>
    (await as(ada)('createListTask', { params: { listId }, body: { title: 'x', completed }, expect: 201 })).body.id
  const update = (taskId: string, body: { completed?: boolean; listId?: string; title?: string }) =>
    as(ada)('updateTask', { params: { taskId }, body, expect: 200 })
  const countsOf = async (listId: string) => {
    const { body, headers } = await as(ada)('getList', { params: { listId }, expect: 200 })
    const { body: all } = await as(ada)('listLists', { query: { limit: 100 }, expect: 200 })
    t.same(
      all.items.find(({ id }) => id === listId),
      body,
      'listLists says the same',
    )
    return { counts: [body.openTasks, body.completedTasks], etag: headers.get('etag') }
  }

  t.test('getList: 200, right after every change, with another ETag for other counts', async (t) => {
    const listId = await createList('Here')
    const there = await createList('There')
    const etags = new Set<string | null>()
    const expectCounts = async (open: number, completed: number, what: string) => {
      const { counts, etag } = await countsOf(listId)
      t.same(counts, [open, completed], what)
      t.notOk(etags.has(etag), `${what}: the ETag is new`)
      etags.add(etag)
    }
    await expectCounts(0, 0, 'created')
    const first = await createTask(listId)
    await expectCounts(1, 0, 'a task was created')
    const second = await createTask(listId, true)
    await expectCounts(1, 1, 'a completed task was created')
    await update(first, { completed: true })
    await expectCounts(0, 2, 'a task was completed')
    await update(second, { completed: false })
    await expectCounts(1, 1, 'a task was reopened')
    await update(second, { listId: there })
    await expectCounts(0, 1, 'an open task was moved away')
    t.same((await countsOf(there)).counts, [1, 0])
    await update(second, { listId, completed: true })
    await expectCounts(0, 2, 'a task was moved back and completed at once')
    t.same((await countsOf(there)).counts, [0, 0])
    await update(first, { listId: there, completed: false, title: 'y' })
    await expectCounts(0, 1, 'a completed task was moved away and reopened at once')
    t.same((await countsOf(there)).counts, [1, 0])
    await as(ada)('deleteTask', { params: { taskId: second }, expect: 204 })
    await expectCounts(0, 0, 'a completed task was deleted')
    await as(ada)('deleteTask', { params: { taskId: first }, expect: 204 })
    t.same((await countsOf(there)).counts, [0, 0])
  })

  t.test('getList: 200, neither counts nor ETag change when they need not', async (t) => {
    const listId = await createList('Quiet')
    const open = await createTask(listId)
    const done = await createTask(listId, true)
    const before = await countsOf(listId)
    await update(open, { title: 'y' })
    await update(open, { completed: false })
    await update(done, { completed: true })
    await update(done, { listId })
    await as(ada)('updateTask', { params: { taskId: done }, body: { listId: '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10' }, expect: 404 })
    await as(ada)('deleteTask', { params: { taskId: done }, headers: { 'If-Match': '"77"' }, expect: 412 })
    t.same(await countsOf(listId), before)
  })

  t.test('getList: 200, a list that is deleted takes its tasks from no other list', async (t) => {
    const kept = await createList('Kept')
    const doomed = await createList('Doomed')
    await createTask(kept)
    for (let index = 0; index < 3; index++) await createTask(doomed, index === 0)
    const moved = await createTask(doomed)
    await update(moved, { listId: kept })
    await as(ada)('deleteList', { params: { listId: doomed }, expect: 204 })
    t.same((await countsOf(kept)).counts, [2, 0])
    await as(ada)('getTask', { params: { taskId: moved }, expect: 200 })
  })

  t.test('getList: 200, the counts have nothing to do with another user', async (t) => {
    const grace = await register()
    const listId = await createList('Mine')
    await as(grace)('createTask', { body: { title: 'x' }, expect: 201 })
    await as(grace)('createListTask', { params: { listId }, body: { title: 'x' }, expect: 404 })
    t.same((await countsOf(listId)).counts, [0, 0])
  })

  t.test('getList: 200 with the right counts after 40 tasks at once', async (t) => {
    const lists = [await createList('A'), await createList('B')]
    const ids = await Promise.all(Array.from({ length: 40 }, (_, index) => createTask(String(lists[index % 2]))))
    t.equal(new Set(ids).size, 40)
    for (const listId of lists) t.same((await countsOf(listId)).counts, [20, 0])

    // Two thirds are completed, and all but the first ten go to the other list, while others do the same.
    await Promise.all(
      ids.map((id, index) => update(id, { completed: index % 3 > 0, ...(index >= 10 && { listId: String(lists[(index + 1) % 2]) }) })),
    )
    const tasks = (await as(ada)('listTasks', { query: { limit: 100 }, expect: 200 })).body.items
    for (const listId of lists) {
      const mine = tasks.filter((task) => task.listId === listId)
      t.same((await countsOf(listId)).counts, [mine.filter(({ completed }) => !completed).length, mine.filter(({ completed }) => completed).length])
    }

    await Promise.all(ids.map((taskId) => as(ada)('deleteTask', { params: { taskId }, expect: 204 })))
    for (const listId of lists) t.same((await countsOf(listId)).counts, [0, 0])
  })

  t.test('updateTask: 200 to 20 requests that complete one task at once, and it is counted once', async (t) => {
    const listId = await createList('Once')
    const taskId = await createTask(listId)
    const answers = await Promise.all(Array.from({ length: 20 }, () => update(taskId, { completed: true })))
    t.equal(new Set(answers.map(({ body }) => body.completedAt)).size, 1)
    t.same((await countsOf(listId)).counts, [0, 1])
  })

  t.test('deleteTask: 204 to one of 10 requests that delete one task at once, 404 to the others', async (t) => {
    const listId = await createList('Gone')
    await createTask(listId)
    const taskId = await createTask(listId)
    const statuses = await Promise.all(Array.from({ length: 10 }, async () => (await as(ada)('deleteTask', { params: { taskId } })).status))
    t.same(statuses.sort(), [204, ...Array(9).fill(404)])
    t.same((await countsOf(listId)).counts, [1, 0])
  })
})
