import fc from 'fast-check'
import t from 'tap'
import type { components, operations } from '../../generated/client-api.ts'
import { startApp } from '../support/app.ts'

type Task = components['schemas']['Task']
type Query = NonNullable<operations['listTasks']['parameters']['query']>

const PRIORITIES = ['low', 'medium', 'high'] as const
const CATEGORIES = ['home', 'Home', 'work', 'a,b']
const DUE_DATES = [
  null,
  '2026-01-30',
  '2026-01-31',
  '2026-02-01',
  '2026-02-01T00:00:00Z',
  '2026-02-01T12:30:00.500Z',
  '2026-03-01T00:00:00+02:00',
  '9999-12-31',
]
const WORDS = ['milk', 'bread', 'honey']

/** What the description of the parameters in openapi.yaml says, in other words. */
function passes(task: Task, { completed, priority, category, dueBefore, dueAfter, hasDueDate, q }: Query): boolean {
  const dueAt = task.dueAt === null ? undefined : Date.parse(task.dueAt)
  return (
    (completed === undefined || task.completed === completed) &&
    (priority === undefined || priority.includes(task.priority)) &&
    (category === undefined || category.every((name) => task.categories.includes(name.trim()))) &&
    (dueBefore === undefined || (dueAt !== undefined && dueAt < Date.parse(dueBefore))) &&
    (dueAfter === undefined || (dueAt !== undefined && dueAt >= Date.parse(dueAfter))) &&
    (hasDueDate === undefined || (task.dueAt !== null) === hasDueDate) &&
    (q === undefined || q.split(' ').every((word) => task.title.split(' ').includes(word)))
  )
}

t.test('the filters of listTasks and listListTasks', async (t) => {
  const { as, register } = await startApp(t)
  const ada = await register()
  const { body: list } = await as(ada)('createList', { body: { title: 'Half of them' }, expect: 201 })
  const tasks: Task[] = []
  for (let index = 0; index < 48; index++) {
    const body = {
      title: WORDS.filter((_, bit) => (index >> bit) % 2 === 0).join(' ') || 'nothing',
      completed: index % 5 < 2,
      priority: PRIORITIES[(index * 7) % 3] ?? 'low',
      categories: CATEGORIES.filter((_, bit) => ((index * 5) >> bit) % 2 === 1),
      dueDate: DUE_DATES[(index * 3 + Math.floor(index / 8)) % 8] ?? null,
      ...(index % 2 === 0 && { listId: list.id }),
    }
    tasks.push((await as(ada)('createTask', { body, expect: 201 })).body)
  }
  const expectFiltered = async (query: Query, listId?: string) => {
    const list = async (sort: 'createdAt' | 'dueAt') => {
      const all = { ...query, sort, limit: 100 }
      const { body } =
        listId === undefined
          ? await as(ada)('listTasks', { query: all, expect: 200 })
          : await as(ada)('listListTasks', { params: { listId }, query: all, expect: 200 })
      return body
    }
    const [body, byDueDate] = [await list('createdAt'), await list('dueAt')]
    t.same(byDueDate.items.map(({ id }) => id).sort(), body.items.map(({ id }) => id).sort(), 'the same in another order')
    const expected = tasks.filter((task) => (listId === undefined || task.listId === listId) && passes(task, query))
    t.same(body, { items: expected, nextCursor: null }, `${listId === undefined ? 'all' : 'one list'}: ${JSON.stringify(query)}`)
    return expected.length
  }

  const single: Query[] = [
    { completed: true },
    { completed: false },
    { priority: ['high'] },
    { priority: ['low', 'high'] },
    { priority: ['low', 'medium', 'high'] },
    { priority: ['low', 'low'] },
    { category: ['home'] },
    { category: ['Home'] },
    { category: ['a,b'] },
    { category: ['home', 'work'] },
    { category: ['home', 'home'] },
    { category: ['  home '] },
    { hasDueDate: true },
    { hasDueDate: false },
    { dueBefore: '2026-02-01T00:00:00Z' },
    { dueBefore: '2026-02-01T00:00:00.001Z' },
    { dueBefore: '2026-02-28T22:00:00Z' },
    { dueBefore: '9999-12-31T23:59:59.999Z' },
    { dueAfter: '2026-02-01T00:00:00Z' },
    { dueAfter: '2026-02-01T00:00:00.001Z' },
    { dueAfter: '2026-02-01t01:00:00.000+01:00' },
    { dueAfter: '0001-01-01T00:00:00Z' },
    { dueAfter: '9999-12-31T23:59:59.999Z' },
    { q: 'milk' },
    { q: 'honey milk' },
  ]
  t.test('listTasks and listListTasks: 200 with each filter alone', async (t) => {
    for (const query of single) {
      t.ok((await expectFiltered(query)) > 0, 'some pass')
      await expectFiltered(query, list.id)
      await expectFiltered(query, tasks[1]?.listId)
    }
  })

  t.test('listTasks: 200, a filter that no task passes gives an empty page', async (t) => {
    for (const query of [
      { category: ['homely'] },
      { category: CATEGORIES.concat('none') },
      { dueBefore: '0001-01-01T00:00:00Z' },
      { dueBefore: '2026-01-01T00:00:00Z', dueAfter: '2026-02-01T00:00:00Z' },
      { hasDueDate: false, dueAfter: '2026-01-01T00:00:00Z' },
      { hasDueDate: false, dueBefore: '9999-12-31T23:59:59Z' },
      { q: 'sugar' },
    ])
      t.same((await as(ada)('listTasks', { query, expect: 200 })).body, { items: [], nextCursor: null }, JSON.stringify(query))
  })

  t.test('listTasks and listListTasks: 200 with any of them together, in any order and by any page', async (t) => {
    const date = fc.constantFrom(
      '2026-01-31T00:00:00Z',
      '2026-02-01T00:00:00Z',
      '2026-02-01T12:30:00.5Z',
      '2026-02-02T00:00:00Z',
      '2026-12-31T00:00:00+14:00',
    )
    const filters = fc.record(
      {
        completed: fc.boolean(),
        priority: fc.array(fc.constantFrom(...PRIORITIES), { minLength: 1, maxLength: 3 }),
        category: fc.array(fc.constantFrom(...CATEGORIES), { minLength: 1, maxLength: 3 }),
        dueBefore: date,
        dueAfter: date,
        hasDueDate: fc.boolean(),
        q: fc.subarray(WORDS, { minLength: 1 }).map((words) => words.join(' ')),
      },
      { requiredKeys: [] },
    )
    const sorts = ['createdAt', 'updatedAt', 'dueAt', 'priority', 'title'].flatMap((sort) => [sort, `-${sort}`]) as NonNullable<Query['sort']>[]
    await t.resolves(
      fc.assert(
        fc.asyncProperty(filters, fc.constantFrom(...sorts), fc.constantFrom(2, 20, 100), fc.boolean(), async (filter, sort, limit, half) => {
          const seen: string[] = []
          let cursor: string | null | undefined
          do {
            const query = { ...filter, sort, limit, ...(cursor && { cursor }) }
            const { body } = half
              ? await as(ada)('listListTasks', { params: { listId: list.id }, query, expect: 200 })
              : await as(ada)('listTasks', { query, expect: 200 })
            seen.push(...body.items.map(({ id }) => id))
            cursor = body.nextCursor
          } while (cursor !== null)
          const expected = tasks.filter((task) => (!half || task.listId === list.id) && passes(task, filter)).map(({ id }) => id)
          return seen.toSorted().join() === expected.join()
        }),
        { numRuns: 120 },
      ),
    )
  })

  t.test('listTasks and listListTasks: 422 for a filter that cannot be read', async (t) => {
    for (const [query, path] of [
      [{ completed: 'yes' }, '/completed'],
      [{ completed: '1' }, '/completed'],
      [{ completed: 'TRUE' }, '/completed'],
      [{ completed: '' }, '/completed'],
      [{ completed: ['true', 'false'] }, '/completed'],
      [{ hasDueDate: 'null' }, '/hasDueDate'],
      [{ hasDueDate: ['true', 'true'] }, '/hasDueDate'],
      [{ priority: 'urgent' }, '/priority/0'],
      [{ priority: ['low', 'HIGH'] }, '/priority/1'],
      [{ priority: 'low,high' }, '/priority/0'],
      [{ priority: '' }, '/priority/0'],
      [{ priority: ['low', 'low', 'high', 'high'] }, '/priority'],
      [{ category: '' }, '/category/0'],
      [{ category: ['home', ' '] }, '/category/1'],
      [{ category: 'a'.repeat(51) }, '/category/0'],
      [{ category: Array.from({ length: 11 }, (_, index) => `${index}`) }, '/category'],
      [{ category: 'nul\u0000' }, '/category'],
      [{ dueBefore: '2026-02-01' }, '/dueBefore'],
      [{ dueBefore: 'tomorrow' }, '/dueBefore'],
      [{ dueBefore: 'infinity' }, '/dueBefore'],
      [{ dueBefore: '2026-02-30T00:00:00Z' }, '/dueBefore'],
      [{ dueAfter: '2026-02-01T00:00:00' }, '/dueAfter'],
      [{ dueAfter: '2026-02-01T00:00:00 01:00' }, '/dueAfter'],
      [{ dueAfter: '0000-01-01T00:00:00Z' }, '/dueAfter'],
      [{ dueAfter: ['2026-02-01T00:00:00Z', '2026-02-01T00:00:00Z'] }, '/dueAfter'],
      [{ sort: 'dueDate' }, '/sort'],
      [{ sort: '+title' }, '/sort'],
      [{ sort: '--title' }, '/sort'],
      [{ sort: 'title,createdAt' }, '/sort'],
      [{ sort: ['title', 'title'] }, '/sort'],
      [{ sort: 'constructor' }, '/sort'],
      [{ listId: list.id }, '/listId'],
      [{ due: '2026-02-01T00:00:00Z' }, '/due'],
      [{ 'priority[]': 'low' }, '/priority[]'],
      [{ Completed: 'true' }, '/Completed'],
      [{ page: 2 }, '/page'],
    ] as const) {
      const { body } = await as(ada)('listTasks', { query: query as never, expect: 422 })
      t.match(body.errors, [{ in: 'query', path }], JSON.stringify(query))
      await as(ada)('listListTasks', { params: { listId: list.id }, query: query as never, expect: 422 })
    }
  })
})
