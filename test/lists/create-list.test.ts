import t from 'tap'
import { startApp } from '../support/app.ts'

t.test('lists: create, change and delete', async (t) => {
  const { as, register } = await startApp(t)
  const ada = await register()
  const create = async (title: string, description?: string | null) =>
    (await as(ada)('createList', { body: { title, ...(description !== undefined && { description }) }, expect: 201 })).body

  t.test('createList: 201 with a title alone', async (t) => {
    const { body: list, headers } = await as(ada)('createList', { body: { title: 'Groceries' }, expect: 201 })
    const { id, createdAt, updatedAt, ...rest } = list
    t.same(rest, { title: 'Groceries', description: null, inbox: false, openTasks: 0, completedTasks: 0 })
    t.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/)
    t.equal(createdAt, updatedAt)
    t.equal(headers.get('location'), `/api/v1/lists/${id}`)
    const got = await as(ada)('getList', { params: { listId: id }, expect: 200 })
    t.same(got.body, list)
    t.equal(got.headers.get('etag'), headers.get('etag'))
  })

  t.test('createList: 201, the title is trimmed and the description is not', async (t) => {
    const list = await create(' \t\n Groceries\u00a0\u3000', '  two spaces  ')
    t.equal(list.title, 'Groceries')
    t.equal(list.description, '  two spaces  ')
  })

  t.test('createList: 201, two lists may have one title', async (t) => {
    t.not((await create('Twins')).id, (await create('Twins')).id)
  })

  for (const title of ['', ' ', '\t\r\n', '\u00a0\u2003\ufeff'])
    t.test(`createList and updateList: 422 for the blank title ${JSON.stringify(title)}`, async (t) => {
      const { body } = await as(ada)('createList', { body: { title }, expect: 422 })
      t.match(body, { code: 'VALIDATION_FAILED', errors: [{ in: 'body', path: '/title', message: 'must not be blank' }] })
      const { id: listId } = await create('Keep')
      await as(ada)('updateList', { params: { listId }, body: { title }, expect: 422 })
      t.equal((await as(ada)('getList', { params: { listId }, expect: 200 })).body.title, 'Keep')
    })

  for (const [character, name] of [
    ['a', 'ASCII'],
    ['é', 'two bytes'],
    ['😀', 'four bytes, two UTF-16 units'],
  ] as const)
    t.test(`createList: 255 characters of title and 2,000 of description (${name}) are the most`, async (t) => {
      const list = await create(character.repeat(255), character.repeat(2000))
      t.equal(list.title, character.repeat(255))
      t.equal(list.description, character.repeat(2000))
      t.same((await as(ada)('getList', { params: { listId: list.id }, expect: 200 })).body, list)
      const { body: tooLong } = await as(ada)('createList', { body: { title: character.repeat(256) }, expect: 422 })
      t.match(tooLong.errors, [{ path: '/title', code: 'maxLength' }])
      const { body: tooMuch } = await as(ada)('createList', { body: { title: 'x', description: character.repeat(2001) }, expect: 422 })
      t.match(tooMuch.errors, [{ path: '/description', code: 'maxLength' }])
    })

  t.test('createList: 201, spaces around a title of 255 characters do not count', async (t) => {
    t.equal((await create(`  ${'a'.repeat(255)}  `)).title, 'a'.repeat(255))
  })

  t.test('createList: 422 for what is no list', async (t) => {
    for (const [body, path] of [
      [{}, '/title'],
      [{ title: null }, '/title'],
      [{ title: 1 }, '/title'],
      [{ title: ['Groceries'] }, '/title'],
      [{ title: 'x', description: 1 }, '/description'],
      [{ title: 'x', inbox: true }, '/inbox'],
      [{ title: 'x', id: '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10' }, '/id'],
      [{ title: 'x', openTasks: 1 }, '/openTasks'],
      [{ title: 'x\u0000y' }, '/title'],
      [{ title: 'x', description: 'a lone \ud83d' }, '/description'],
      [[], ''],
      ['Groceries', ''],
      [null, ''],
    ] as const) {
      const answer = await as(ada)('createList', { body: body as never, expect: 422 })
      t.equal(answer.body.errors?.[0]?.path, path, JSON.stringify(body))
    }
  })

  t.test('updateList: 200, what the patch does not name stays', async (t) => {
    const list = await create('Before', 'A description')
    const params = { listId: list.id }
    const { body: renamed } = await as(ada)('updateList', { params, body: { title: ' After ' }, expect: 200 })
    t.same({ ...renamed, updatedAt: '' }, { ...list, title: 'After', updatedAt: '' })
    t.ok(renamed.updatedAt >= list.updatedAt)
    const { body: cleared } = await as(ada)('updateList', { params, body: { description: null }, expect: 200 })
    t.same({ ...cleared, updatedAt: '' }, { ...renamed, description: null, updatedAt: '' })
    const { body: emptied } = await as(ada)('updateList', { params, body: { description: '' }, expect: 200 })
    t.equal(emptied.description, '')
    t.same((await as(ada)('getList', { params, expect: 200 })).body, emptied)
  })

  t.test('updateList: 422 for an empty patch, null for a title and unknown fields, and nothing changes', async (t) => {
    const list = await create('Stays', 'as it is')
    const params = { listId: list.id }
    for (const body of [
      {},
      { title: null },
      { inbox: true },
      { title: 'New', openTasks: 3 },
      { description: 'a'.repeat(2001) },
      { title: 'a'.repeat(256) },
    ])
      await as(ada)('updateList', { params, body: body as never, expect: 422 })
    t.same((await as(ada)('getList', { params, expect: 200 })).body, list)
  })

  t.test('deleteList: 204, and its tasks are gone with it', async (t) => {
    const { id: listId } = await create('Doomed')
    const { body: task } = await as(ada)('createListTask', { params: { listId }, body: { title: 'x', categories: ['doomed'] }, expect: 201 })
    const { body: other } = await as(ada)('createTask', { body: { title: 'y' }, expect: 201 })
    await as(ada)('deleteList', { params: { listId }, expect: 204 })
    await as(ada)('getList', { params: { listId }, expect: 404 })
    await as(ada)('listListTasks', { params: { listId }, expect: 404 })
    await as(ada)('getTask', { params: { taskId: task.id }, expect: 404 })
    await as(ada)('deleteList', { params: { listId }, expect: 404 })
    t.same(
      (await as(ada)('listTasks', { expect: 200 })).body.items.map(({ id }) => id),
      [other.id],
    )
    t.same((await as(ada)('listCategories', { expect: 200 })).body.items, [])
  })

  t.test('getList: 422 for an id that is no UUID', async (t) => {
    for (const listId of ['1', 'inbox', '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f1', 'urn:uuid:01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10', "' or 1=1 --"]) {
      const { body } = await as(ada)('getList', { params: { listId }, expect: 422 })
      t.match(body.errors, [{ in: 'path', path: '/listId' }], listId)
    }
  })
})
