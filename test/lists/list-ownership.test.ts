import t from 'tap'
import { startApp } from '../support/app.ts'

const UNKNOWN = '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10'

t.test("somebody else's list", async (t) => {
  const { as, register } = await startApp(t)
  const [ada, eve] = [await register(), await register()]
  const { body: mine } = await as(ada)('createList', { body: { title: 'Secret', description: 'plans' }, expect: 201 })
  const { body: task } = await as(ada)('createListTask', { params: { listId: mine.id }, body: { title: 'x' }, expect: 201 })
  const { body: hers } = await as(eve)('createTask', { body: { title: 'y' }, expect: 201 })
  const inboxId = (await as(ada)('listLists', { expect: 200 })).body.items[0]?.id ?? ''
  const before = (await as(ada)('getList', { params: { listId: mine.id }, expect: 200 })).body

  /** What a stranger gets to see, with the id of the request blotted out: in the body and among the headers. */
  const seen = ({ text, headers }: { text: string; headers: Headers }) => {
    const requestId = headers.get('x-request-id') ?? ''
    const blot = (value: string) => value.replaceAll(requestId, '<request>')
    return { text: blot(text), headers: [...headers].filter(([name]) => name !== 'date').map(([name, value]) => [name, blot(value)]) }
  }

  const attempts = {
    getList: (listId: string) => as(eve)('getList', { params: { listId }, expect: 404 }),
    'getList with If-None-Match': (listId: string) => as(eve)('getList', { params: { listId }, headers: { 'If-None-Match': '*' }, expect: 404 }),
    updateList: (listId: string) => as(eve)('updateList', { params: { listId }, body: { title: 'Mine now' }, expect: 404 }),
    'updateList with If-Match': (listId: string) =>
      as(eve)('updateList', { params: { listId }, body: { title: 'Mine now' }, headers: { 'If-Match': '"2"' }, expect: 404 }),
    deleteList: (listId: string) => as(eve)('deleteList', { params: { listId }, expect: 404 }),
    'deleteList with If-Match': (listId: string) => as(eve)('deleteList', { params: { listId }, headers: { 'If-Match': '"2"' }, expect: 404 }),
    listListTasks: (listId: string) => as(eve)('listListTasks', { params: { listId }, expect: 404 }),
    'listListTasks with filters': (listId: string) =>
      as(eve)('listListTasks', { params: { listId }, query: { q: 'x', completed: false, sort: 'title' }, expect: 404 }),
    createListTask: (listId: string) => as(eve)('createListTask', { params: { listId }, body: { title: 'x' }, expect: 404 }),
    createTask: (listId: string) => as(eve)('createTask', { body: { title: 'x', listId }, expect: 404 }),
    'updateTask that moves': (listId: string) => as(eve)('updateTask', { params: { taskId: hers.id }, body: { listId }, expect: 404 }),
  }
  for (const [name, attempt] of Object.entries(attempts))
    t.test(`${name}: 404 to a stranger, the same bytes as for an unknown id`, async (t) => {
      const unknown = seen(await attempt(UNKNOWN))
      t.match(unknown.text, /"detail":"There is no such list\."/)
      t.same(seen(await attempt(mine.id)), unknown)
      t.same(seen(await attempt(inboxId)), unknown, 'the inbox as well: no 409 gives it away')
    })

  t.test('listLists and listTasks: 200 to a stranger, without any of it', async (t) => {
    const { body: lists } = await as(eve)('listLists', { expect: 200 })
    t.same(
      lists.items.map(({ title, openTasks }) => [title, openTasks]),
      [['Inbox', 1]],
    )
    t.same((await as(eve)('listTasks', { expect: 200 })).body.items, [hers])
  })

  t.test('getList: 200 to the owner, untouched by all that', async (t) => {
    t.same((await as(ada)('getList', { params: { listId: mine.id }, expect: 200 })).body, before)
    t.same((await as(ada)('listListTasks', { params: { listId: mine.id }, expect: 200 })).body.items, [task])
  })
})
