import t from 'tap'
import { startApp } from '../support/app.ts'

t.test('createTask and createListTask', async (t) => {
  const { as, register } = await startApp(t)
  const ada = await register()
  const { body: list } = await as(ada)('createList', { body: { title: 'Errands' }, expect: 201 })

  t.test('createTask: 201, a title is enough, and it lands in the inbox', async (t) => {
    const { body: lists } = await as(ada)('listLists', { expect: 200 })
    const { body: task, headers } = await as(ada)('createTask', { body: { title: '  Buy milk ' }, expect: 201 })
    const { id, createdAt, updatedAt, ...rest } = task
    t.same(rest, {
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
    t.equal(createdAt, updatedAt)
    t.equal(headers.get('location'), `/api/v1/tasks/${id}`)
    const got = await as(ada)('getTask', { params: { taskId: id }, expect: 200 })
    t.same(got.body, task)
    t.equal(got.headers.get('etag'), headers.get('etag'))
  })

  t.test('createTask: 201 with everything', async (t) => {
    const body = {
      listId: list.id,
      title: 'Hand in the tax return',
      description: ' as it is \n',
      completed: true,
      priority: 'high' as const,
      categories: ['money', 'Home'],
      dueDate: '2026-07-31',
      timeZone: 'Europe/Berlin',
    }
    const { body: task } = await as(ada)('createTask', { body, expect: 201 })
    const { id, createdAt, updatedAt, ...rest } = task
    t.same(rest, { ...body, completedAt: createdAt, dueAt: '2026-07-31T22:00:00.000Z' })
    t.equal(updatedAt, createdAt)
    t.same((await as(ada)('getTask', { params: { taskId: id }, expect: 200 })).body, task)
  })

  t.test('createListTask: 201 in the list of the path', async (t) => {
    const { body: task, headers } = await as(ada)('createListTask', { params: { listId: list.id }, body: { title: 'x' }, expect: 201 })
    t.equal(task.listId, list.id)
    t.equal(headers.get('location'), `/api/v1/tasks/${task.id}`)
  })

  t.test('createListTask: 422 for a list in the body as well', async (t) => {
    const body = { title: 'x', listId: list.id } as never
    const { body: problem } = await as(ada)('createListTask', { params: { listId: list.id }, body, expect: 422 })
    t.match(problem.errors, [{ in: 'body', path: '/listId', code: 'additionalProperties' }])
  })

  t.test('createTask: 404 for a list that never was or was deleted', async (t) => {
    const { body: gone } = await as(ada)('createList', { body: { title: 'Gone' }, expect: 201 })
    await as(ada)('deleteList', { params: { listId: gone.id }, expect: 204 })
    for (const listId of [gone.id, '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10']) {
      const { body } = await as(ada)('createTask', { body: { title: 'x', listId }, expect: 404 })
      t.equal(body.detail, 'There is no such list.')
      await as(ada)('createListTask', { params: { listId }, body: { title: 'x' }, expect: 404 })
    }
  })

  for (const [character, name] of [
    ['a', 'ASCII'],
    ['ß', 'two bytes'],
    ['👩', 'four bytes, two UTF-16 units'],
  ] as const)
    t.test(`createTask: 255 characters of title and 10,000 of description (${name}) are the most`, async (t) => {
      const { body: task } = await as(ada)('createTask', {
        body: { title: character.repeat(255), description: character.repeat(10_000) },
        expect: 201,
      })
      t.equal(task.title, character.repeat(255))
      t.equal(task.description, character.repeat(10_000))
      t.same((await as(ada)('getTask', { params: { taskId: task.id }, expect: 200 })).body, task)
      const { body: tooLong } = await as(ada)('createTask', { body: { title: character.repeat(256) }, expect: 422 })
      t.match(tooLong.errors, [{ path: '/title', code: 'maxLength' }])
      const { body: tooMuch } = await as(ada)('createTask', { body: { title: 'x', description: character.repeat(10_001) }, expect: 422 })
      t.match(tooMuch.errors, [{ path: '/description', code: 'maxLength' }])
    })

  t.test('createTask: 201, text comes back as it was sent', async (t) => {
    for (const text of [
      "Robert'); DROP TABLE tasks; --",
      '{"json": true}, {a,b}, NULL',
      'back\\slash \\u0041 %s $1 ?',
      '<script>alert(1)</script> &amp;',
      'e\u0301 and é stay two',
      '\u0001\u001f\u007f\u2028\u202e\ufffd',
      '👨‍👩‍👧 🇩🇪 مرحبا 你好',
    ]) {
      const { body } = await as(ada)('createTask', { body: { title: text, description: text, categories: [text.slice(0, 40)] }, expect: 201 })
      t.same([body.title, body.description, body.categories], [text, text, [text.slice(0, 40)]])
      t.same((await as(ada)('getTask', { params: { taskId: body.id }, expect: 200 })).body, body)
    }
  })

  t.test('createTask: 422 for what is no task, with the field that is wrong', async (t) => {
    for (const [body, path] of [
      [{}, '/title'],
      [{ title: '' }, '/title'],
      [{ title: '\u2003 \n' }, '/title'],
      [{ title: null }, '/title'],
      [{ title: 7 }, '/title'],
      [{ title: 'a\u0000' }, '/title'],
      [{ title: '\udc00' }, '/title'],
      [{ title: 'x', description: false }, '/description'],
      [{ title: 'x', completed: 'true' }, '/completed'],
      [{ title: 'x', completed: null }, '/completed'],
      [{ title: 'x', completed: 1 }, '/completed'],
      [{ title: 'x', priority: 'urgent' }, '/priority'],
      [{ title: 'x', priority: 'High' }, '/priority'],
      [{ title: 'x', priority: null }, '/priority'],
      [{ title: 'x', listId: 'inbox' }, '/listId'],
      [{ title: 'x', listId: null }, '/listId'],
      [{ title: 'x', categories: 'home' }, '/categories'],
      [{ title: 'x', categories: null }, '/categories'],
      [{ title: 'x', completedAt: '2026-01-01T00:00:00Z' }, '/completedAt'],
      [{ title: 'x', dueAt: '2026-01-01T00:00:00Z' }, '/dueAt'],
      [{ title: 'x', id: list.id }, '/id'],
      [{ title: 'x', ownerId: ada.id }, '/ownerId'],
      [{ title: 'x', 'a/b~c': 1 }, '/a~1b~0c'],
      [{ title: 'x', 'a/b~c': '\0' }, '/a~1b~0c'],
      // As much of it as the document allows, with no character and no escape cut in two.
      [{ title: 'x', [`${'a'.repeat(510)}😀`]: 1 }, `/${'a'.repeat(510)}\ufffd`],
      [{ title: 'x', [`${'a'.repeat(510)}~`]: 1 }, `/${'a'.repeat(510)}`],
      [[{ title: 'x' }], ''],
      [null, ''],
    ] as const) {
      const { body: problem } = await as(ada)('createTask', { body: body as never, expect: 422 })
      t.equal(problem.errors?.[0]?.path, path, JSON.stringify(body))
    }
  })

  t.test('createTask: 422 that names every wrong field at once', async (t) => {
    const { body } = await as(ada)('createTask', { body: { title: ' ', priority: 'x', dueDate: 'soon', nonsense: 1 } as never, expect: 422 })
    t.same(body.errors?.map(({ path }) => path).sort(), ['/dueDate', '/nonsense', '/priority', '/title'])
  })

  t.test('createTask: 201 to 40 requests at once, all with an id of their own', async (t) => {
    const grace = await register()
    const answers = await Promise.all(Array.from({ length: 40 }, (_, index) => as(grace)('createTask', { body: { title: `${index}` }, expect: 201 })))
    const { body } = await as(grace)('listTasks', { query: { sort: 'createdAt', limit: 100 }, expect: 200 })
    t.same(body.items.map(({ id }) => id).sort(), answers.map(({ body: { id } }) => id).sort())
    t.same(
      body.items.map(({ createdAt }) => createdAt),
      body.items.map(({ createdAt }) => createdAt).sort(),
      'the order of ids is the order of creation',
    )
  })
})
