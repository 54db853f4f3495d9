import t from 'tap'
import { startApp } from '../support/app.ts'

t.test('listLists in pages', async (t) => {
  const { as, register, url } = await startApp(t)
  const ada = await register()
  const ids = [(await as(ada)('listLists', { expect: 200 })).body.items[0]?.id]
  for (let index = 0; index < 6; index++) ids.push((await as(ada)('createList', { body: { title: `${9 - index}` }, expect: 201 })).body.id)

  for (const limit of [1, 3, 7, 100])
    t.test(`listLists: 200, ${limit} at a time, in the order of creation`, async (t) => {
      const seen: string[] = []
      let cursor: string | null | undefined
      do {
        const { body, headers } = await as(ada)('listLists', { query: { limit, ...(cursor && { cursor }) }, expect: 200 })
        t.ok(body.items.length > 0 && body.items.length <= limit)
        const next = body.nextCursor === null ? null : `</api/v1/lists?limit=${limit}&cursor=${body.nextCursor}>; rel="next"`
        t.equal(headers.get('link'), next)
        seen.push(...body.items.map(({ id }) => id))
        cursor = body.nextCursor
      } while (cursor !== null)
      t.same(seen, ids)
    })

  t.test('listLists: 200, 20 at a time unless the request says otherwise', async (t) => {
    const grace = await register()
    for (let index = 0; index < 20; index++) await as(grace)('createList', { body: { title: `${index}` }, expect: 201 })
    const { body } = await as(grace)('listLists', { expect: 200 })
    t.equal(body.items.length, 20)
    t.type(body.nextCursor, 'string')
    const { body: rest } = await as(grace)('listLists', { query: { cursor: body.nextCursor ?? '' }, expect: 200 })
    t.same([rest.items.map(({ title }) => title), rest.nextCursor], [['19'], null])
  })

  t.test('listLists: 200 for the link to the next page', async (t) => {
    const { headers, body } = await as(ada)('listLists', { query: { limit: 2 }, expect: 200 })
    const target = /^<([^>]+)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1] ?? ''
    const response = await fetch(url + target, { headers: { Authorization: `Bearer ${ada.accessToken}` } })
    const { body: expected } = await as(ada)('listLists', { query: { limit: 2, cursor: body.nextCursor ?? '' }, expect: 200 })
    t.equal(response.status, 200)
    t.same(await response.json(), expected)
  })

  t.test('listLists: 200, a walk goes on over a list that is deleted and sees one that is created', async (t) => {
    const grace = await register()
    const create = async (title: string) => (await as(grace)('createList', { body: { title }, expect: 201 })).body.id
    await create('A')
    const b = await create('B')
    const c = await create('C')
    const first = await as(grace)('listLists', { query: { limit: 3 }, expect: 200 })
    await as(grace)('deleteList', { params: { listId: b }, expect: 204 })
    await as(grace)('deleteList', { params: { listId: c }, expect: 204 })
    await create('D')
    const second = await as(grace)('listLists', { query: { limit: 3, cursor: first.body.nextCursor ?? '' }, expect: 200 })
    t.same(
      [...first.body.items, ...second.body.items].map(({ title }) => title),
      ['Inbox', 'A', 'B', 'D'],
    )
  })

  t.test('listLists: 422 for a cursor that is not one of this listing', async (t) => {
    const grace = await register()
    await as(grace)('createList', { body: { title: 'x' }, expect: 201 })
    const cursorOf = async (id: 'listLists' | 'listTasks' | 'listCategories', person = ada) => {
      const { body } = await as(person)(id, { query: { limit: 1 }, expect: 200 })
      if (body.nextCursor === null) throw new Error(`${id} has no second page.`)
      return body.nextCursor
    }
    for (const title of ['x', 'y']) await as(ada)('createTask', { body: { title, categories: [title] }, expect: 201 })
    const foreign = { another: await cursorOf('listLists', grace), task: await cursorOf('listTasks'), category: await cursorOf('listCategories') }
    const own = await cursorOf('listLists')
    for (const [name, cursor] of Object.entries({
      ...foreign,
      id: ids[0] ?? '',
      cut: own.slice(0, -2),
      padded: `${own}=`,
      words: 'next',
      blank: ' ',
    })) {
      const { body } = await as(ada)('listLists', { query: { cursor }, expect: 422 })
      t.match(body, { code: 'VALIDATION_FAILED', errors: [{ in: 'query', path: '/cursor' }] }, name)
    }
    await as(ada)('listLists', { query: { cursor: own }, expect: 200 })
  })

  for (const limit of ['0', '-1', '101', '1e400', '1e1', '0x10', ' 5', '5 ', '+5', '05', '1.0', '', 'NaN', 'ten', '99999999999999999999'])
    t.test(`listLists: 422 for the limit "${limit}"`, async (t) => {
      const { body } = await as(ada)('listLists', { query: { limit: limit as never }, expect: 422 })
      t.match(body.errors, [{ in: 'query', path: '/limit' }])
    })

  t.test('listLists: 422 for a repeated parameter and for an unknown one', async (t) => {
    for (const [query, path] of [
      [{ limit: [1, 2] }, '/limit'],
      [{ cursor: ['a', 'b'] }, '/cursor'],
      [{ offset: 1 }, '/offset'],
      [{ Limit: 1 }, '/Limit'],
      [{ sort: 'title' }, '/sort'],
      [{ __proto__x: 1 }, '/__proto__x'],
    ] as const) {
      const { body } = await as(ada)('listLists', { query: query as never, expect: 422 })
      t.match(body.errors, [{ in: 'query', path }], JSON.stringify(query))
    }
  })
})
