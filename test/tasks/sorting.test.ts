import t from 'tap'
import type { components } from '../../generated/client-api.ts'
import { startApp } from '../support/app.ts'

type Task = components['schemas']['Task']
type Sort = components['schemas']['TaskSort']

const byCodePoint = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
const PRIORITIES = ['low', 'medium', 'high']

/** What each order compares first; undefined comes last either way. The id decides between equal ones. */
const KEYS: Record<string, (task: Task) => string | number | undefined> = {
  createdAt: () => 0,
  updatedAt: ({ updatedAt }) => Date.parse(updatedAt),
  dueAt: ({ dueAt }) => (dueAt === null ? undefined : Date.parse(dueAt)),
  priority: ({ priority }) => PRIORITIES.indexOf(priority),
  title: ({ title }) => title.toLowerCase(),
}

function sorted(tasks: readonly Task[], sort: Sort): Task[] {
  const sign = sort.startsWith('-') ? -1 : 1
  const key = KEYS[sort.replace('-', '')] as (task: Task) => string | number | undefined
  return tasks.toSorted((a, b) => {
    const [left, right] = [key(a), key(b)]
    if (left !== right && left === undefined) return 1
    if (left !== right && right === undefined) return -1
    const first = typeof left === 'number' && typeof right === 'number' ? left - right : byCodePoint(String(left), String(right))
    return sign * (first || byCodePoint(a.id, b.id))
  })
}

t.test('the orders of listTasks and listListTasks', async (t) => {
  const { as, register } = await startApp(t)
  const ada = await register()
  const { body: list } = await as(ada)('createList', { body: { title: 'Every other' }, expect: 201 })

  // Few different values each, so that there are many ties; and titles that only a comparison by code point puts into one order everywhere.
  const titles = [
    'b',
    'B',
    'a',
    'A b',
    'a-b',
    'ab',
    'Ab',
    '10',
    '9',
    '_',
    '~',
    '買',
    '\uffee',
    '😀',
    '"quoted"',
    'it\\s',
    'é',
    'z'.repeat(255),
    '😀'.repeat(255),
  ]
  const dueDates = [null, '2026-02-01', '2026-02-02T00:00:00Z', null, '2026-01-01T00:00:00.001Z', '0001-01-01T00:00:00Z', '9999-12-31', '2026-02-01']
  for (let index = 0; index < 45; index++)
    await as(ada)('createTask', {
      body: {
        title: titles[(index * 7) % titles.length] ?? 'x',
        priority: (['low', 'medium', 'high', 'medium'] as const)[(index * 3) % 4] ?? 'low',
        dueDate: dueDates[(index * 5) % 8] ?? null,
        completed: index % 3 === 0,
        ...(index % 2 === 0 && { listId: list.id }),
      },
      expect: 201,
    })
  const created = (await as(ada)('listTasks', { query: { sort: 'createdAt', limit: 100 }, expect: 200 })).body.items
  // Some change, and some of those in one millisecond: the order of the last change is another than that of creation.
  await Promise.all(
    created
      .filter((_, index) => index % 4 === 1)
      .map(({ id }) => as(ada)('updateTask', { params: { taskId: id }, body: { description: 'x' }, expect: 200 })),
  )
  const tasks = (await as(ada)('listTasks', { query: { sort: 'createdAt', limit: 100 }, expect: 200 })).body.items

  const walk = async (query: { sort: Sort; limit: number; completed?: boolean }, listId?: string) => {
    const seen: Task[] = []
    let cursor: string | null | undefined
    do {
      const next = { ...query, ...(cursor && { cursor }) }
      const { body } =
        listId === undefined
          ? await as(ada)('listTasks', { query: next, expect: 200 })
          : await as(ada)('listListTasks', { params: { listId }, query: next, expect: 200 })
      if (body.items.length === 0) throw new Error('A page is empty.')
      if (body.nextCursor !== null && body.items.length !== query.limit) throw new Error('A page before the last is not full.')
      seen.push(...body.items)
      cursor = body.nextCursor
    } while (cursor !== null)
    return seen
  }

  t.equal(tasks.length, 45)
  t.same(
    tasks.map(({ id }) => id),
    tasks.map(({ id }) => id).toSorted(byCodePoint),
  )
  for (const sort of Object.keys(KEYS).flatMap((key) => [key, `-${key}`]) as Sort[]) {
    const expected = sorted(tasks, sort)
    t.test(`listTasks: 200 by ${sort}, in pages of 1, 3, 20, 45 and 100, without one missing or twice`, async (t) => {
      for (const limit of [1, 3, 20, 45, 100]) t.same(await walk({ sort, limit }), expected, `${limit} at a time`)
    })

    t.test(`listTasks: 200 by ${sort}, the open and the completed ones alone`, async (t) => {
      for (const completed of [true, false])
        for (const limit of [4, 20])
          t.same(
            await walk({ sort, limit, completed }),
            expected.filter((task) => task.completed === completed),
          )
    })

    t.test(`listListTasks: 200 by ${sort}, in pages of 1, 3 and 100`, async (t) => {
      const own = expected.filter(({ listId }) => listId === list.id)
      t.equal(own.length, 23)
      for (const limit of [1, 3, 100]) t.same(await walk({ sort, limit }, list.id), own, `${limit} at a time`)
      t.same(
        await walk({ sort, limit: 3, completed: false }, list.id),
        own.filter(({ completed }) => !completed),
      )
    })
  }

  t.test('listTasks: 200, the newest first unless the request says otherwise, 20 at a time', async (t) => {
    const { body } = await as(ada)('listTasks', { expect: 200 })
    t.same(body.items, sorted(tasks, '-createdAt').slice(0, 20))
    t.same(
      (await as(ada)('listTasks', { query: { sort: '-createdAt', cursor: body.nextCursor ?? '' }, expect: 200 })).body.items[0],
      sorted(tasks, '-createdAt')[20],
    )
  })

  t.test('listTasks: 200 by dueAt, the undated last either way', async (t) => {
    const undated = tasks.filter(({ dueAt }) => dueAt === null).length
    t.ok(undated > 5)
    for (const sort of ['dueAt', '-dueAt'] as const) {
      const order = (await walk({ sort, limit: 7 })).map(({ dueAt }) => dueAt === null)
      t.same(order, [...Array(45 - undated).fill(false), ...Array(undated).fill(true)], sort)
    }
  })
})
