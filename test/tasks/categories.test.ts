import t from 'tap'
import { type Person, startApp } from '../support/app.ts'

t.test('categories', async (t) => {
  const { as, register } = await startApp(t)
  const ada = await register()
  const create = async (categories: string[], person = ada, completed = false) =>
    (await as(person)('createTask', { body: { title: 'x', categories, completed }, expect: 201 })).body
  const categoriesOf = async (person: Person) =>
    (await as(person)('listCategories', { query: { limit: 100 }, expect: 200 })).body.items.map((item) => [
      item.name,
      item.openTasks,
      item.completedTasks,
    ])

  t.test('createTask: 201, categories are trimmed and keep their order', async (t) => {
    t.same((await create([' home\t', 'work ', 'a b', 'ä'])).categories, ['home', 'work', 'a b', 'ä'])
    t.same((await create(['b', 'a'])).categories, ['b', 'a'])
  })

  t.test('createTask: 201 for names that mean something to a parser of arrays', async (t) => {
    const names = ['a,b', '{}', '"', '\\', 'NULL', "it's", '{"a"}', ';--', '  in  ner '.trim(), '😀'.repeat(50)]
    const grace = await register()
    const task = await create(names, grace)
    t.same(task.categories, names)
    t.same((await as(grace)('getTask', { params: { taskId: task.id }, expect: 200 })).body, task)
    for (const name of names) {
      const { body } = await as(grace)('listTasks', { query: { category: [name] }, expect: 200 })
      t.same(body.items, [task], name)
    }
    const sorted = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    t.same(
      await categoriesOf(grace),
      sorted.map((name) => [name, 1, 0]),
    )
  })

  t.test('createTask and updateTask: 422 for more than 10, for one twice (trimmed), for blank and for long ones', async (t) => {
    const { id: taskId } = await create(['kept'])
    for (const [categories, path] of [
      [Array.from({ length: 11 }, (_, index) => `${index}`), '/categories'],
      [['home', 'home'], '/categories'],
      [['home', ' home '], '/categories'],
      [['home', '\u00a0home'], '/categories'],
      [['home', ''], '/categories/1'],
      [[' \t'], '/categories/0'],
      [['a'.repeat(51)], '/categories/0'],
      [[null], '/categories/0'],
      [[['home']], '/categories/0'],
      [['nul\u0000'], '/categories/0'],
    ] as const) {
      const { body } = await as(ada)('createTask', { body: { title: 'x', categories } as never, expect: 422 })
      t.equal(body.errors?.[0]?.path, path, JSON.stringify(categories))
      await as(ada)('updateTask', { params: { taskId }, body: { categories } as never, expect: 422 })
    }
    t.same((await as(ada)('getTask', { params: { taskId }, expect: 200 })).body.categories, ['kept'])
  })

  t.test('createTask: 201 for 10 of 50 characters, for the same in another case, and for spaces around', async (t) => {
    const ten = Array.from({ length: 10 }, (_, index) => `${index}${'é'.repeat(49)}`)
    t.same((await create(ten)).categories, ten)
    t.same((await create(['home', 'Home', 'HOME'])).categories, ['home', 'Home', 'HOME'])
    t.same((await create([`  ${'a'.repeat(50)}  `])).categories, ['a'.repeat(50)])
  })

  t.test('listCategories: 200 with the counts right after every change, and a category is gone with its last task', async (t) => {
    const grace = await register()
    const update = (taskId: string, body: { categories?: string[]; completed?: boolean }) =>
      as(grace)('updateTask', { params: { taskId }, body, expect: 200 })
    t.same(await categoriesOf(grace), [])
    const first = await create(['home', 'urgent'], grace)
    const second = await create(['home'], grace, true)
    t.same(await categoriesOf(grace), [
      ['home', 1, 1],
      ['urgent', 1, 0],
    ])
    await update(first.id, { completed: true })
    t.same(await categoriesOf(grace), [
      ['home', 0, 2],
      ['urgent', 0, 1],
    ])
    await update(first.id, { categories: ['home', 'later'], completed: false })
    t.same(await categoriesOf(grace), [
      ['home', 1, 1],
      ['later', 1, 0],
    ])
    await update(first.id, { categories: ['later', 'home'] })
    t.same(await categoriesOf(grace), [
      ['home', 1, 1],
      ['later', 1, 0],
    ])
    await update(first.id, { categories: [] })
    t.same(await categoriesOf(grace), [['home', 0, 1]])
    await as(grace)('deleteTask', { params: { taskId: second.id }, expect: 204 })
    t.same(await categoriesOf(grace), [])
    await update(first.id, { categories: ['home'] })
    t.same(await categoriesOf(grace), [['home', 1, 0]])
  })

  t.test('listCategories: 200 by code point, page by page', async (t) => {
    const grace = await register()
    const names = ['b', 'a', 'B', 'Z', 'ä', '1', '10', '2', '~', '\uffee', '😀', 'a b', 'aa', '!']
    for (const name of names) await create([name], grace)
    const sorted = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    for (const limit of [1, 3, 14, 100]) {
      const seen: string[] = []
      let cursor: string | null | undefined
      do {
        const { body, headers } = await as(grace)('listCategories', { query: { limit, ...(cursor && { cursor }) }, expect: 200 })
        t.ok(body.items.length > 0 && body.items.length <= limit)
        const next = body.nextCursor === null ? null : `</api/v1/categories?limit=${limit}&cursor=${body.nextCursor}>; rel="next"`
        t.equal(headers.get('link'), next)
        seen.push(...body.items.map(({ name }) => name))
        cursor = body.nextCursor
      } while (cursor !== null)
      t.same(seen, sorted, `${limit} at a time`)
    }
  })

  t.test('listCategories: 200, a walk goes on although the category where it stood is gone', async (t) => {
    const grace = await register()
    const tasks = []
    for (const name of ['a', 'b', 'c', 'd']) tasks.push(await create([name], grace))
    const first = await as(grace)('listCategories', { query: { limit: 2 }, expect: 200 })
    await as(grace)('deleteTask', { params: { taskId: tasks[1]?.id ?? '' }, expect: 204 })
    await create(['aa', 'bb'], grace)
    const rest = await as(grace)('listCategories', { query: { cursor: first.body.nextCursor ?? '' }, expect: 200 })
    t.same(
      rest.body.items.map(({ name }) => name),
      ['bb', 'c', 'd'],
    )
  })

  t.test('listCategories: 422 for the cursor of another, a limit out of bounds and an unknown parameter', async (t) => {
    const grace = await register()
    await create(['a', 'b'], grace)
    await create(['c'], grace)
    const cursorOf = async (person: Person, id: 'listCategories' | 'listTasks') =>
      (await as(person)(id, { query: { limit: 1 }, expect: 200 })).body.nextCursor
    for (const cursor of [await cursorOf(ada, 'listCategories'), await cursorOf(grace, 'listTasks'), 'a']) {
      const { body } = await as(grace)('listCategories', { query: { cursor: String(cursor) }, expect: 422 })
      t.match(body.errors, [{ in: 'query', path: '/cursor' }])
    }
    for (const query of [{ limit: 0 }, { limit: 101 }, { limit: '0x10' }, { limit: [1, 1] }, { q: 'a' }, { sort: 'name' }])
      await as(grace)('listCategories', { query: query as never, expect: 422 })
    t.equal(
      (await as(grace)('listCategories', { query: { cursor: String(await cursorOf(grace, 'listCategories')) }, expect: 200 })).body.items.length,
      2,
    )
  })
})
