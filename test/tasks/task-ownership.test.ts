import t from 'tap'
import { startApp } from '../support/app.ts'

const UNKNOWN = '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10'

t.test("somebody else's task", async (t) => {
  const { as, register } = await startApp(t)
  const [ada, eve] = [await register(), await register()]
  const { body: mine } = await as(ada)('createTask', { body: { title: 'Secret', categories: ['plans'] }, expect: 201 })
  const { body: hers } = await as(eve)('createList', { body: { title: 'Loot' }, expect: 201 })

  /** What a stranger gets to see, with the id of the request blotted out: in the body and among the headers. */
  const seen = ({ text, headers }: { text: string; headers: Headers }) => {
    const requestId = headers.get('x-request-id') ?? ''
    const blot = (value: string) => value.replaceAll(requestId, '<request>')
    return { text: blot(text), headers: [...headers].filter(([name]) => name !== 'date').map(([name, value]) => [name, blot(value)]) }
  }

  const attempts = {
    getTask: (taskId: string) => as(eve)('getTask', { params: { taskId }, expect: 404 }),
    'getTask with If-None-Match': (taskId: string) => as(eve)('getTask', { params: { taskId }, headers: { 'If-None-Match': '"1"' }, expect: 404 }),
    updateTask: (taskId: string) => as(eve)('updateTask', { params: { taskId }, body: { title: 'Mine now' }, expect: 404 }),
    'updateTask with If-Match': (taskId: string) =>
      as(eve)('updateTask', { params: { taskId }, body: { completed: true }, headers: { 'If-Match': '"1"' }, expect: 404 }),
    'updateTask into a list of the stranger': (taskId: string) =>
      as(eve)('updateTask', { params: { taskId }, body: { listId: hers.id }, expect: 404 }),
    'updateTask into the list it is in': (taskId: string) =>
      as(eve)('updateTask', { params: { taskId }, body: { listId: mine.listId }, expect: 404 }),
    deleteTask: (taskId: string) => as(eve)('deleteTask', { params: { taskId }, expect: 404 }),
    'deleteTask with If-Match': (taskId: string) => as(eve)('deleteTask', { params: { taskId }, headers: { 'If-Match': '*' }, expect: 404 }),
  }
  for (const [name, attempt] of Object.entries(attempts))
    t.test(`${name}: 404 to a stranger, the same bytes as for an unknown id`, async (t) => {
      const unknown = seen(await attempt(UNKNOWN))
      t.match(unknown.text, /"detail":"There is no such task\."/)
      t.same(seen(await attempt(mine.id)), unknown)
    })

  t.test('getTask: 404 to its owner after it was deleted, the same bytes as for an unknown id', async (t) => {
    const { body: task } = await as(ada)('createTask', { body: { title: 'x' }, expect: 201 })
    await as(ada)('deleteTask', { params: { taskId: task.id }, expect: 204 })
    const get = async (taskId: string) => seen(await as(ada)('getTask', { params: { taskId }, expect: 404 }))
    t.same(await get(task.id), await get(UNKNOWN))
  })

  t.test('listTasks, listCategories: 200 to a stranger, without any of it whatever the filters', async (t) => {
    for (const query of [{}, { q: 'secret' }, { category: ['plans'] }, { completed: false }, { sort: 'title' as const }, { hasDueDate: false }])
      t.same((await as(eve)('listTasks', { query, expect: 200 })).body, { items: [], nextCursor: null }, JSON.stringify(query))
    t.same((await as(eve)('listCategories', { expect: 200 })).body, { items: [], nextCursor: null })
  })

  t.test('getTask: 200 to the owner, untouched by all that', async (t) => {
    t.same((await as(ada)('getTask', { params: { taskId: mine.id }, expect: 200 })).body, mine)
    t.equal((await as(eve)('getList', { params: { listId: hers.id }, expect: 200 })).body.openTasks, 0)
  })

  t.test('listTasks: 200, two people with the same words and categories never meet', async (t) => {
    const people = [await register(), await register()]
    for (const person of people)
      for (const title of ['Buy milk', 'Sell milk']) await as(person)('createTask', { body: { title, categories: ['home'] }, expect: 201 })
    for (const person of people) {
      const own = (await as(person)('listTasks', { expect: 200 })).body.items.map(({ id }) => id)
      t.equal(own.length, 2)
      for (const query of [{ q: 'milk' }, { category: ['home'] }, { priority: ['medium' as const] }])
        t.same(
          (await as(person)('listTasks', { query, expect: 200 })).body.items.map(({ id }) => id),
          own,
          JSON.stringify(query),
        )
      t.same((await as(person)('listCategories', { expect: 200 })).body.items, [{ name: 'home', openTasks: 2, completedTasks: 0 }])
    }
  })
})
