import t from 'tap'
import type { components } from '../../generated/client-api.ts'
import { type Person, startApp } from '../support/app.ts'

type Sort = components['schemas']['TaskSort']

t.test('the pages of listTasks and listListTasks', async (t) => {
  const { as, register, url } = await startApp(t)
  const people: Record<'ada' | 'grace', Person> = { ada: await register(), grace: await register() }
  const { ada, grace } = people
  const create = async (person: Person, title: string, listId?: string) =>
    (await as(person)('createTask', { body: { title, ...(listId && { listId }) }, expect: 201 })).body
  const { body: list } = await as(ada)('createList', { body: { title: 'A list' }, expect: 201 })
  for (const title of ['A', 'B', 'C', 'D']) {
    await create(ada, title)
    await create(ada, title, list.id)
    await create(grace, title)
  }
  const page = async (person: Person, query: { sort?: Sort; limit?: number; cursor?: string; q?: string }) =>
    (await as(person)('listTasks', { query, expect: 200 })).body
  const cursorOf = (body: { nextCursor: string | null }) => {
    if (body.nextCursor === null) throw new Error('There is no next page.')
    return body.nextCursor
  }

  t.test('listTasks and listListTasks: 200 with a link to the next page, which keeps filters and order', async (t) => {
    const query = { priority: ['medium' as const, 'high' as const], q: 'a or b or c', sort: '-title' as const, limit: 2 }
    const follow = async (link: string | null) => {
      const target = /^<([^>]+)>; rel="next"$/.exec(link ?? '')?.[1] ?? ''
      const response = await fetch(url + target, { headers: { Authorization: `Bearer ${ada.accessToken}` } })
      return { path: target.split('?')[0], link: response.headers.get('link'), body: (await response.json()) as components['schemas']['TaskPage'] }
    }
    const first = await as(ada)('listTasks', { query, expect: 200 })
    const second = await follow(first.headers.get('link'))
    const third = await follow(second.link)
    t.same([second.path, third.path], ['/api/v1/tasks', '/api/v1/tasks'])
    t.same(
      [first, second, third].flatMap(({ body }) => body.items.map(({ title }) => title)),
      ['C', 'C', 'B', 'B', 'A', 'A'],
    )
    t.same([third.link, third.body.nextCursor], [null, null])
    const inList = await as(ada)('listListTasks', { params: { listId: list.id }, query, expect: 200 })
    const rest = await follow(inList.headers.get('link'))
    t.equal(rest.path, `/api/v1/lists/${list.id}/tasks`)
    t.same(
      rest.body.items.map(({ title }) => title),
      ['A'],
    )
  })

  t.test('listTasks: 200 with a link that keeps what follows another question mark, and one cursor, however it is spelled', async (t) => {
    const eve = await register()
    for (const title of ['why? 1', 'why? 2', 'why? 3']) await create(eve, title)
    const linkOf = async (search: string) => {
      const response = await fetch(`${url}/api/v1/tasks?${search}`, { headers: { Authorization: `Bearer ${eve.accessToken}` } })
      t.equal(response.status, 200, search)
      return (response.headers.get('link') ?? '').split('&cursor=')
    }
    const [kept, cursor = ''] = await linkOf('q=why?&limit=1&sort=title')
    t.equal(kept, '</api/v1/tasks?q=why?&limit=1&sort=title')
    const [still, next] = await linkOf(`q=why?&limit=1&sort=title&%63ursor=${cursor.split('>')[0]}`)
    t.equal(still, kept)
    t.not(next, cursor)
  })

  t.test('listTasks: 200 without a link and a cursor when the last page is just full', async (t) => {
    const { body, headers } = await as(ada)('listTasks', { query: { limit: 8 }, expect: 200 })
    t.same([body.items.length, body.nextCursor, headers.get('link')], [8, null, null])
    const seven = await as(ada)('listTasks', { query: { limit: 7 }, expect: 200 })
    const { body: last } = await as(ada)('listTasks', { query: { limit: 7, cursor: cursorOf(seven.body) }, expect: 200 })
    t.same([last.items.length, last.nextCursor], [1, null])
  })

  t.test('listTasks: 200, a cursor may be used again, with another limit', async (t) => {
    const cursor = cursorOf(await page(ada, { limit: 3 }))
    const rest = await page(ada, { cursor })
    t.equal(rest.items.length, 5)
    t.same(await page(ada, { cursor }), rest)
    t.same((await page(ada, { cursor, limit: 1 })).items, rest.items.slice(0, 1))
  })

  t.test('listTasks and listListTasks: 422 for a cursor of another order, user, list or operation', async (t) => {
    const { body: empty } = await as(ada)('createList', { body: { title: 'Another' }, expect: 201 })
    const query = { limit: 1, sort: 'title' as const }
    const own = cursorOf(await page(ada, query))
    const ofList = cursorOf((await as(ada)('listListTasks', { params: { listId: list.id }, query, expect: 200 })).body)
    const foreign = {
      '-title': cursorOf(await page(ada, { limit: 1, sort: '-title' })),
      createdAt: cursorOf(await page(ada, { limit: 1, sort: 'createdAt' })),
      user: cursorOf(await page(grace, query)),
      list: ofList,
      lists: cursorOf((await as(ada)('listLists', { query: { limit: 1 }, expect: 200 })).body),
    }
    for (const [name, cursor] of Object.entries(foreign)) {
      const { body } = await as(ada)('listTasks', { query: { ...query, cursor }, expect: 422 })
      t.match(body, { code: 'VALIDATION_FAILED', errors: [{ in: 'query', path: '/cursor' }] }, name)
    }
    await as(ada)('listTasks', { query: { cursor: own }, expect: 422 })
    await as(ada)('listListTasks', { params: { listId: list.id }, query: { ...query, cursor: own }, expect: 422 })
    await as(ada)('listListTasks', { params: { listId: empty.id }, query: { ...query, cursor: ofList }, expect: 422 })
    await as(grace)('listListTasks', { params: { listId: list.id }, query: { ...query, cursor: ofList }, expect: 422 })
    await as(ada)('listTasks', { query: { ...query, cursor: own }, expect: 200 })
    await as(ada)('listListTasks', { params: { listId: list.id }, query: { ...query, cursor: ofList }, expect: 200 })
  })

  t.test('listTasks: 422 for a cursor of which any one character is another', async (t) => {
    const cursor = cursorOf(await page(ada, { limit: 1, sort: 'title' }))
    await as(ada)('listTasks', { query: { sort: 'title', cursor }, expect: 200 })
    for (let index = 0; index < cursor.length; index++) {
      const tampered = cursor.slice(0, index) + (cursor[index] === 'A' ? 'B' : 'A') + cursor.slice(index + 1)
      const { status } = await as(ada)('listTasks', { query: { sort: 'title', cursor: tampered } })
      t.equal(status, 422, `character ${index}`)
    }
    for (const tampered of [
      cursor.slice(1),
      cursor.slice(0, -1),
      `${cursor}A`,
      `${cursor}=`,
      `${cursor}\n`,
      ` ${cursor}`,
      '',
      'A',
      'null',
      '😀',
      'A'.repeat(4096),
      'A'.repeat(4097),
    ])
      await as(ada)('listTasks', { query: { sort: 'title', cursor: tampered }, expect: 422 })
  })

  t.test('listTasks and listListTasks: 422 for a limit out of bounds or in another spelling', async (t) => {
    for (const limit of [
      '0',
      '-1',
      '101',
      '1e400',
      '1e1',
      '0x10',
      ' 5',
      '5 ',
      '+5',
      '05',
      '5.0',
      '',
      'Infinity',
      'NaN',
      '٥',
      ['1', '1'],
      '9'.repeat(400),
    ]) {
      const { body } = await as(ada)('listTasks', { query: { limit: limit as never }, expect: 422 })
      t.match(body.errors, [{ in: 'query', path: '/limit' }], String(limit))
      await as(ada)('listListTasks', { params: { listId: list.id }, query: { limit: limit as never }, expect: 422 })
    }
  })

  for (const sort of ['createdAt', '-createdAt', 'title', '-title', 'dueAt', '-dueAt', 'priority', '-updatedAt'] as const)
    t.test(`listTasks: 200 by ${sort}, a walk sees every task once that is there all along, while others come and go`, async (t) => {
      const person = await register()
      const lasting: string[] = []
      const passing: string[] = []
      for (let index = 0; index < 8; index++) {
        lasting.push((await create(person, `${index % 3}`)).id)
        passing.push((await create(person, `${index % 3}`)).id)
      }
      const seen: string[] = []
      let cursor: string | null | undefined
      do {
        const body = await page(person, { sort, limit: 3, ...(cursor && { cursor }) })
        seen.push(...body.items.map(({ id }) => id))
        cursor = body.nextCursor
        // The task at which the page ended goes as well, if it is one that may.
        const last = body.items.at(-1)?.id ?? ''
        const [gone] = passing.splice(Math.max(passing.indexOf(last), 0), 1)
        if (gone !== undefined) await as(person)('deleteTask', { params: { taskId: gone }, expect: 204 })
        if (seen.length < 12) await create(person, `${seen.length % 3}`)
      } while (cursor !== null)
      t.equal(new Set(seen).size, seen.length, 'none twice')
      t.same(
        lasting.filter((id) => !seen.includes(id)),
        [],
        'none is missing',
      )
    })

  t.test('listListTasks: 200 with an empty page for a list without tasks, also after the last task went', async (t) => {
    const { body: empty } = await as(ada)('createList', { body: { title: 'Empty' }, expect: 201 })
    const params = { listId: empty.id }
    t.same((await as(ada)('listListTasks', { params, expect: 200 })).body, { items: [], nextCursor: null })
    const ids = [(await create(ada, 'x', empty.id)).id, (await create(ada, 'y', empty.id)).id]
    const cursor = cursorOf((await as(ada)('listListTasks', { params, query: { limit: 1 }, expect: 200 })).body)
    for (const taskId of ids) await as(ada)('deleteTask', { params: { taskId }, expect: 204 })
    t.same((await as(ada)('listListTasks', { params, query: { cursor }, expect: 200 })).body, { items: [], nextCursor: null })
    await as(ada)('deleteList', { params, expect: 204 })
    await as(ada)('listListTasks', { params, query: { cursor }, expect: 404 })
  })
})
