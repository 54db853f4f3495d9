import t from 'tap'
import { startApp } from '../support/app.ts'

t.test('createTask', async (t) => {
  const { as, register } = await startApp(t)
  const ada = await register()

  t.test('201: a title is enough, and it lands in the inbox', async (t) => {
    const { body: lists } = await as(ada)('listLists', { expect: 200 })
    const { body: task, headers } = await as(ada)('createTask', {
      body: { title: '  Buy milk ' },
      expect: 201,
    })
    t.match(task, {
      listId: lists.items[0]?.id,
      title: 'Buy milk',
      description: null,
      completed: false,
      completedAt: null,
      priority: 'medium',
      categories: [],
      dueDate: null,
      dueAt: null,
      timeZone: null,
    })
    t.equal(task.createdAt, task.updatedAt)
    t.equal(headers.get('location'), `/api/v1/tasks/${task.id}`)
    t.same((await as(ada)('getTask', { params: { taskId: task.id }, expect: 200 })).body, task)
  })
})
