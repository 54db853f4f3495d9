import fc from 'fast-check'
import t from 'tap'
import { EMBEDDED, type Person, startApp, type TestApp } from '../support/app.ts'
import { startInstances } from '../support/instances.ts'
import { readEvents } from './reader.ts'
import { everythingOf, Replica, sorted } from './replica.ts'

/** A write at random; indexes choose among what is there. */
const write = fc.oneof(
  fc.record({ kind: fc.constant('createList' as const), title: fc.string({ minLength: 1, maxLength: 5 }).map((text) => `l${text.toWellFormed()}`) }),
  fc.record({
    kind: fc.constant('createTask' as const),
    list: fc.nat(),
    completed: fc.boolean(),
    dueDate: fc.option(fc.constantFrom('2027-01-31', '2027-01-31T09:30:00Z')),
    categories: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('renameList' as const), list: fc.nat() }),
  fc.record({ kind: fc.constant('moveTask' as const), task: fc.nat(), list: fc.nat() }),
  fc.record({ kind: fc.constant('completeTask' as const), task: fc.nat(), completed: fc.boolean() }),
  fc.record({
    kind: fc.constant('dateTask' as const),
    task: fc.nat(),
    dueDate: fc.option(fc.constantFrom('2027-02-01', '2027-02-01T10:00:00+02:00')),
  }),
  fc.record({ kind: fc.constant('deleteTask' as const), task: fc.nat() }),
  fc.record({ kind: fc.constant('deleteList' as const), list: fc.nat() }),
  fc.record({ kind: fc.constant('changeZone' as const), timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'Asia/Tokyo') }),
)
type Write = typeof write extends fc.Arbitrary<infer Value> ? Value : never

/** Carries writes out for somebody, and knows what is there to choose among. */
class Writer {
  readonly #as: TestApp['as']
  readonly #person: Person
  readonly #lists: string[] = []
  readonly #tasks: string[] = []

  constructor(as: TestApp['as'], person: Person) {
    this.#as = as
    this.#person = person
  }

  async carryOut(what: Write): Promise<number | undefined> {
    const call = this.#as(this.#person)
    const choose = (ids: readonly string[], index: number) => ids[index % ids.length]
    const listId = 'list' in what ? choose(this.#lists, what.list) : undefined
    const taskId = 'task' in what ? choose(this.#tasks, what.task) : undefined
    switch (what.kind) {
      case 'createList': {
        const { body, status } = await call('createList', { body: { title: what.title }, expect: 201 })
        this.#lists.push(body.id)
        return status
      }
      case 'createTask': {
        const { completed, dueDate, categories } = what
        const body = { title: 'x', completed, dueDate, categories, ...(listId !== undefined && { listId }) }
        const answer = await call('createTask', { body })
        if (answer.status === 201) this.#tasks.push(answer.body.id)
        return answer.status
      }
      case 'changeZone':
        return (await call('updateMe', { body: { timeZone: what.timeZone } })).status
    }
    if (what.kind === 'renameList' || what.kind === 'deleteList') {
      if (listId === undefined) return undefined
      const params = { listId }
      return (await (what.kind === 'renameList' ? call('updateList', { params, body: { title: 'new' } }) : call('deleteList', { params }))).status
    }
    if (taskId === undefined) return undefined
    const params = { taskId }
    if (what.kind === 'deleteTask') return (await call('deleteTask', { params })).status
    const body =
      what.kind === 'completeTask'
        ? { completed: what.completed }
        : what.kind === 'dateTask'
          ? { dueDate: what.dueDate }
          : listId !== undefined
            ? { listId }
            : undefined
    return body === undefined ? undefined : (await call('updateTask', { params, body })).status
  }
}

t.test('whoever applies all changes has what GET shows, after any writes, and wherever they were interrupted', async (t) => {
  const { as, register } = await startApp(t)
  await fc.assert(
    fc.asyncProperty(fc.array(write, { minLength: 1, maxLength: 25 }), fc.integer({ min: 1, max: 100 }), fc.nat(25), async (writes, limit, pause) => {
      const ada = await register()
      const [writer, replica] = [new Writer(as, ada), new Replica()]
      for (const [index, what] of writes.entries()) {
        const status = await writer.carryOut(what)
        if (status !== undefined && ![200, 201, 204, 404].includes(status)) throw new Error(`${what.kind} answered ${status}`)
        if (index === pause) await replica.catchUp(as, ada, limit)
      }
      await replica.catchUp(as, ada, limit)
      const fresh = new Replica()
      await fresh.catchUp(as, ada)
      const shown = sorted(await everythingOf(as, ada))
      t.same(sorted(replica.states), shown)
      t.same(sorted(fresh.states), shown)
    }),
    { numRuns: EMBEDDED ? 20 : 50 },
  )
})

t.test('many writers on two instances at once: pages and streams bring every change once, in the order of the commits', async (t) => {
  const instances = await startInstances(t)
  const [a, b] = instances
  const ada = await a.register()
  const writers = Array.from({ length: 10 }, (_, index) => new Writer(instances[index % 2]?.as ?? a.as, ada))
  const [polled, streamed] = [new Replica(), new Replica()]
  const reader = await readEvents(b.url, ada.accessToken, {
    cursor: (await a.as(ada)('listChanges', { query: { limit: 1 }, expect: 200 })).body.nextCursor,
  })
  const sequences = fc.sample(fc.array(write, { minLength: 30, maxLength: 30, size: 'max' }), { numRuns: writers.length, seed: 7 })

  let writing = true
  const polling = (async () => {
    while (writing) await polled.catchUp(a.as, ada, 7)
  })()
  const statuses = await Promise.all(
    writers.map(async (writer, index) => {
      const answers = []
      for (const what of sequences[index] ?? []) answers.push(await writer.carryOut(what))
      return answers
    }),
  )
  writing = false
  await polling
  await polled.catchUp(a.as, ada)
  t.same(
    [...new Set(statuses.flat())].filter((status) => ![undefined, 200, 201, 204, 404, 503].includes(status)),
    [],
    'what they were answered',
  )
  const shown = sorted(await everythingOf(a.as, ada))
  t.same(sorted(polled.states), shown)

  // The stream began behind the first change, the inbox, and ends with one that we know.
  const { body: last } = await b.as(ada)('createList', { body: { title: 'last' }, expect: 201 })
  const [first] = (await a.as(ada)('listChanges', { query: { limit: 1 }, expect: 200 })).body.items
  if (first !== undefined) streamed.apply(first)
  for (;;) {
    const event = await reader.next()
    if (event === undefined) throw new Error('The stream has ended.')
    if (event.change !== undefined) streamed.apply(event.change)
    if (event.change?.id === last.id) break
  }
  reader.cut()
  t.same(sorted(streamed.states), sorted(await everythingOf(a.as, ada)))

  const rows = await a.context.db.selectFrom('changes').select(['sequence']).where('owner_id', '=', ada.id).orderBy('sequence').execute()
  t.same(
    rows.map(({ sequence }) => sequence),
    rows.map((_, index) => index + 1),
    'no number is missing',
  )
})
