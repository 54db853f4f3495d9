import t from 'tap'
import type { components } from '../../generated/client-api.ts'
import { startApp } from '../support/app.ts'

type NewTask = components['schemas']['NewTask']
type TaskPatch = components['schemas']['TaskPatch']

t.test('updateTask and deleteTask', async (t) => {
  const { as, register } = await startApp(t)
  const ada = await register()
  const create = async (body: Partial<NewTask> = {}) => (await as(ada)('createTask', { body: { title: 'x', ...body }, expect: 201 })).body
  const update = async (taskId: string, body: TaskPatch) => (await as(ada)('updateTask', { params: { taskId }, body, expect: 200 })).body
  const get = async (taskId: string) => (await as(ada)('getTask', { params: { taskId }, expect: 200 })).body

  const FULL: NewTask = {
    title: 'Before',
    description: 'A description',
    priority: 'low',
    categories: ['a', 'b'],
    dueDate: '2026-03-01',
    timeZone: 'Europe/Berlin',
  }
  const patches: [TaskPatch, Record<string, unknown>][] = [
    [{ title: ' After\t' }, { title: 'After' }],
    [{ description: 'Another' }, { description: 'Another' }],
    [{ description: '' }, { description: '' }],
    [{ description: null }, { description: null }],
    [{ priority: 'high' }, { priority: 'high' }],
    [{ categories: ['c'] }, { categories: ['c'] }],
    [{ categories: ['b', 'a'] }, { categories: ['b', 'a'] }],
    [{ categories: [] }, { categories: [] }],
    [{ dueDate: null }, { dueDate: null, dueAt: null }],
    [{ timeZone: null }, { timeZone: null, dueAt: '2026-03-02T00:00:00.000Z' }],
    [
      { dueDate: null, timeZone: null },
      { dueDate: null, dueAt: null, timeZone: null },
    ],
    [{ completed: false }, {}],
    [
      { title: 'After', priority: 'medium', description: null, dueDate: '2026-03-02' },
      { title: 'After', priority: 'medium', description: null, dueDate: '2026-03-02', dueAt: '2026-03-02T23:00:00.000Z' },
    ],
  ]
  for (const [patch, changes] of patches)
    t.test(`updateTask: 200 for ${JSON.stringify(patch)}, and the rest stays`, async (t) => {
      const task = await create(FULL)
      const changed = await update(task.id, patch)
      t.same({ ...changed, updatedAt: '' }, { ...task, ...changes, updatedAt: '' })
      t.ok(changed.updatedAt >= task.updatedAt)
      t.same(await get(task.id), changed)
    })

  t.test('updateTask: 200, a patch that changes nothing still counts as a change', async (t) => {
    const { body: task, headers } = await as(ada)('createTask', { body: { title: 'x' }, expect: 201 })
    const answer = await as(ada)('updateTask', { params: { taskId: task.id }, body: { title: 'x' }, expect: 200 })
    t.not(answer.headers.get('etag'), headers.get('etag'))
    t.same({ ...answer.body, updatedAt: '' }, { ...task, updatedAt: '' })
  })

  t.test('updateTask: 422 for an empty patch, null where it may not be and unknown fields, and nothing changes', async (t) => {
    const task = await create(FULL)
    for (const [body, path] of [
      [{}, ''],
      [[], ''],
      [null, ''],
      [{ title: null }, '/title'],
      [{ title: ' ' }, '/title'],
      [{ title: 'a'.repeat(256) }, '/title'],
      [{ description: 'a'.repeat(10_001) }, '/description'],
      [{ completed: null }, '/completed'],
      [{ priority: null }, '/priority'],
      [{ categories: null }, '/categories'],
      [{ listId: null }, '/listId'],
      [{ title: 'New', dueAt: null }, '/dueAt'],
      [{ title: 'New', completedAt: null }, '/completedAt'],
      [{ title: 'New', version: 3 }, '/version'],
    ] as const) {
      const { body: problem } = await as(ada)('updateTask', { params: { taskId: task.id }, body: body as never, expect: 422 })
      t.equal(problem.errors?.[0]?.path, path, JSON.stringify(body))
    }
    t.same(await get(task.id), task)
  })

  t.test('updateTask: 200, completing sets completedAt, completing again keeps it, reopening clears it', async (t) => {
    const task = await create()
    const completed = await update(task.id, { completed: true })
    t.equal(completed.completed, true)
    t.equal(completed.completedAt, completed.updatedAt)
    const again = await update(task.id, { completed: true, title: 'y' })
    t.same([again.completed, again.completedAt, again.title], [true, completed.completedAt, 'y'])
    const renamed = await update(task.id, { title: 'z' })
    t.equal(renamed.completedAt, completed.completedAt)
    const reopened = await update(task.id, { completed: false })
    t.same([reopened.completed, reopened.completedAt], [false, null])
    t.same([(await update(task.id, { completed: false })).completedAt], [null])
    const later = await update(task.id, { completed: true })
    t.equal(later.completedAt, later.updatedAt)
    t.ok(String(later.completedAt) >= String(completed.completedAt))
  })

  t.test('updateTask: 200, a task that was created completed keeps its time as well', async (t) => {
    const task = await create({ completed: true })
    t.equal(task.completedAt, task.createdAt)
    t.equal((await update(task.id, { completed: true })).completedAt, task.createdAt)
  })

  t.test('updateTask: 200, a listId moves it, with everything that it has', async (t) => {
    const task = await create({ ...FULL, completed: true })
    const { body: list } = await as(ada)('createList', { body: { title: 'Elsewhere' }, expect: 201 })
    const moved = await update(task.id, { listId: list.id })
    t.same({ ...moved, updatedAt: '' }, { ...task, listId: list.id, updatedAt: '' })
    t.same((await as(ada)('listListTasks', { params: { listId: list.id }, expect: 200 })).body.items, [moved])
    const { body: left } = await as(ada)('listListTasks', { params: { listId: task.listId }, query: { limit: 100 }, expect: 200 })
    t.notOk(left.items.some(({ id }) => id === task.id))
    const both = await update(task.id, { listId: task.listId, title: 'Back' })
    t.same([both.listId, both.title], [task.listId, 'Back'])
  })

  t.test('updateTask: 404 for a list that never was, and nothing else of the patch is done', async (t) => {
    const task = await create()
    const body = { listId: '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10', title: 'y', completed: true }
    const { body: problem } = await as(ada)('updateTask', { params: { taskId: task.id }, body, expect: 404 })
    t.equal(problem.detail, 'There is no such list.')
    t.same(await get(task.id), task)
  })

  t.test('deleteTask: 204, then 404 to every request for it', async (t) => {
    const { id: taskId } = await create()
    const { text } = await as(ada)('deleteTask', { params: { taskId }, expect: 204 })
    t.equal(text, '')
    for (const { body } of [
      await as(ada)('getTask', { params: { taskId }, expect: 404 }),
      await as(ada)('updateTask', { params: { taskId }, body: { title: 'y' }, expect: 404 }),
      await as(ada)('deleteTask', { params: { taskId }, expect: 404 }),
    ])
      t.equal(body.detail, 'There is no such task.')
  })

  t.test('getTask, updateTask, deleteTask: 422 for an id that is no UUID', async (t) => {
    for (const taskId of ['1', 'null', '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f1g', '%00']) {
      const { body } = await as(ada)('getTask', { params: { taskId }, expect: 422 })
      t.match(body.errors, [{ in: 'path', path: '/taskId' }])
      await as(ada)('updateTask', { params: { taskId }, body: { title: 'y' }, expect: 422 })
      await as(ada)('deleteTask', { params: { taskId }, expect: 422 })
    }
  })

  t.test('getTask: 200 for the id in capital letters', async (t) => {
    const task = await create()
    t.same(await get(task.id.toUpperCase()), task)
  })
})
