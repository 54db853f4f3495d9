import fc from 'fast-check'
import t from 'tap'
import { type Person, startApp } from '../support/app.ts'

const CATEGORIES = ['a', 'b', 'c']
const PARALLEL = 8

/** A write on whichever list or task stands at a place among those that are there. */
type Write =
  | { kind: 'createTask'; list: number; completed: boolean; categories: string[] }
  | { kind: 'updateTask'; task: number; list: number | undefined; completed: boolean | undefined; categories: string[] | undefined }
  | { kind: 'deleteTask'; task: number }
  | { kind: 'createList' }
  | { kind: 'deleteList'; list: number }

const place = fc.nat(40)
const categories = fc.subarray(CATEGORIES).chain((names) => fc.shuffledSubarray(names, { minLength: names.length }))
const write: fc.Arbitrary<Write> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('createTask' as const), list: place, completed: fc.boolean(), categories }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('updateTask' as const),
      task: place,
      list: fc.option(place, { nil: undefined }),
      completed: fc.option(fc.boolean(), { nil: undefined }),
      categories: fc.option(categories, { nil: undefined }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('deleteTask' as const), task: place }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('createList' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteList' as const), list: place }) },
)

/** The counts of lists and categories are kept by triggers: whatever happens, they say what counting the tasks says. */
t.test('the counts of lists and categories', async (t) => {
  const { as, register } = await startApp(t)

  async function stateOf(person: Person) {
    const query = { limit: 100 }
    const { body: lists } = await as(person)('listLists', { query, expect: 200 })
    const { body: tasks } = await as(person)('listTasks', { query, expect: 200 })
    const { body: kept } = await as(person)('listCategories', { query, expect: 200 })
    if ([lists, tasks, kept].some(({ nextCursor }) => nextCursor !== null)) throw new Error('There is more than one page.')
    return { lists: lists.items, tasks: tasks.items, categories: kept.items }
  }

  async function requireRightCounts(person: Person): Promise<number> {
    const state = await stateOf(person)
    const counted = (having: (task: (typeof state.tasks)[number]) => boolean) => {
      const tasks = state.tasks.filter(having)
      const completedTasks = tasks.filter(({ completed }) => completed).length
      return { openTasks: tasks.length - completedTasks, completedTasks }
    }
    const seen = {
      lists: state.lists.map(({ id, openTasks, completedTasks }) => ({ id, openTasks, completedTasks })),
      categories: state.categories,
    }
    const expected = {
      lists: state.lists.map(({ id }) => ({ id, ...counted(({ listId }) => listId === id) })),
      categories: CATEGORIES.map((name) => ({ name, ...counted((task) => task.categories.includes(name)) })).filter(
        ({ openTasks, completedTasks }) => openTasks + completedTasks > 0,
      ),
    }
    if (JSON.stringify(seen) !== JSON.stringify(expected)) throw new Error(`${JSON.stringify(seen)} instead of ${JSON.stringify(expected)}`)
    return state.tasks.length
  }

  /** Answers the status. */
  async function perform(person: Person, write: Write, lists: readonly string[], tasks: readonly string[]): Promise<number> {
    const at = (ids: readonly string[], index: number) => ids[index % ids.length] ?? '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10'
    switch (write.kind) {
      case 'createTask': {
        const { completed, categories } = write
        return (await as(person)('createTask', { body: { title: 'x', listId: at(lists, write.list), completed, categories } })).status
      }
      case 'updateTask': {
        const body = {
          title: 'y',
          ...(write.list !== undefined && { listId: at(lists, write.list) }),
          ...(write.completed !== undefined && { completed: write.completed }),
          ...(write.categories !== undefined && { categories: write.categories }),
        }
        return (await as(person)('updateTask', { params: { taskId: at(tasks, write.task) }, body })).status
      }
      case 'deleteTask':
        return (await as(person)('deleteTask', { params: { taskId: at(tasks, write.task) } })).status
      case 'createList':
        return (await as(person)('createList', { body: { title: 'x' } })).status
      case 'deleteList':
        return (await as(person)('deleteList', { params: { listId: at(lists, write.list) } })).status
    }
  }

  async function performAll(person: Person, writes: readonly Write[]): Promise<void> {
    const { lists, tasks } = await stateOf(person)
    const statuses = await Promise.all(
      writes.map((each) =>
        perform(
          person,
          each,
          lists.map(({ id }) => id),
          tasks.map(({ id }) => id),
        ),
      ),
    )
    const strange = statuses.filter((status) => ![200, 201, 204, 404, 409].includes(status))
    if (strange.length > 0) throw new Error(`A write was answered ${strange.join()}.`)
  }

  t.test('listLists, listCategories: 200 with what listTasks shows, after any writes one by one', async (t) => {
    await t.resolves(
      fc.assert(
        fc.asyncProperty(fc.array(write, { minLength: 1, maxLength: 25 }), async (writes) => {
          const person = await register()
          await as(person)('createList', { body: { title: 'x' }, expect: 201 })
          for (const each of writes) {
            await performAll(person, [each])
            await requireRightCounts(person)
          }
        }),
        { numRuns: 12 },
      ),
    )
  })

  t.test(`listLists, listCategories: 200 with what listTasks shows, after any writes ${PARALLEL} at a time`, async (t) => {
    const batch = fc.array(write, { minLength: 2, maxLength: PARALLEL })
    await t.resolves(
      fc.assert(
        fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 8 }), async (batches) => {
          const person = await register()
          for (let index = 0; index < 3; index++) await as(person)('createList', { body: { title: 'x' }, expect: 201 })
          for (const writes of batches) {
            await performAll(person, writes)
            await requireRightCounts(person)
          }
        }),
        { numRuns: 12 },
      ),
    )
  })

  t.test('listCategories: 200 with the right counts after 60 requests at once that add and take away the same ones', async (t) => {
    const person = await register()
    const body = { title: 'x', categories: ['c', 'a'] }
    const ids = await Promise.all(Array.from({ length: 20 }, async () => (await as(person)('createTask', { body, expect: 201 })).body.id))
    t.equal(await requireRightCounts(person), 20)
    const orders = [['a', 'b', 'c'], ['c', 'b', 'a'], []]
    await Promise.all(
      [0, 1, 2].flatMap((round) =>
        ids.map((taskId, index) =>
          as(person)('updateTask', {
            params: { taskId },
            body: { categories: orders[(index + round) % 3] ?? [], completed: (index + round) % 2 === 0 },
            expect: 200,
          }),
        ),
      ),
    )
    t.equal(await requireRightCounts(person), 20)
    await Promise.all(ids.map((taskId) => as(person)('deleteTask', { params: { taskId }, expect: 204 })))
    t.same((await stateOf(person)).categories, [])
    t.equal(await requireRightCounts(person), 0)
  })
})
