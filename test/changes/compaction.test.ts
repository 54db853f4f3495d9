import { sql } from 'kysely'
import t from 'tap'
import { type Person, startApp } from '../support/app.ts'
import { workJob } from '../support/jobs.ts'
import { everythingOf, Replica, sorted } from './replica.ts'

t.test('compact-changes', async (t) => {
  const { as, context, register } = await startApp(t)
  const { db } = context
  const compact = () => workJob({ ...context, mailer: { send: async () => undefined } }, 'compact-changes')
  const age = (person: Person, days: number) =>
    sql`update changes set occurred_at = occurred_at - make_interval(days => ${days}) where owner_id = ${person.id}`.execute(db)
  const createTask = async (person: Person, title: string) => (await as(person)('createTask', { body: { title }, expect: 201 })).body.id
  const rename = (person: Person, taskId: string, title: string) => as(person)('updateTask', { params: { taskId }, body: { title }, expect: 200 })
  const remove = (person: Person, taskId: string) => as(person)('deleteTask', { params: { taskId }, expect: 204 })
  const typesOf = async (person: Person) => (await new Replica().catchUp(as, person)).map(({ type }) => type)

  t.test('forgets what was overtaken and deleted long ago; whoever begins has all that is there', async (t) => {
    const ada = await register()
    const [kept, removed] = [await createTask(ada, 'kept'), await createTask(ada, 'removed')]
    await rename(ada, kept, 'renamed')
    await remove(ada, removed)
    await rename(ada, kept, 'renamed again')
    await age(ada, 31)
    await compact()
    t.same(await typesOf(ada), ['list.updated', 'task.updated'])
    const replica = new Replica()
    await replica.catchUp(as, ada, 1)
    t.same(sorted(replica.states), sorted(await everythingOf(as, ada)))
  })

  t.test('keeps all that is younger', async (t) => {
    const ada = await register()
    await remove(ada, await createTask(ada, 'x'))
    const before = await typesOf(ada)
    await age(ada, 29)
    await compact()
    t.same(await typesOf(ada), before)
  })

  t.test('410 to whoever may have missed something, 200 to whoever has seen all that is gone', async (t) => {
    const ada = await register()
    const [first, second] = [await createTask(ada, 'x'), await createTask(ada, 'y')]
    const early = new Replica()
    await early.catchUp(as, ada)
    await remove(ada, first)
    const late = new Replica()
    await late.catchUp(as, ada)
    await createTask(ada, 'z')
    await age(ada, 31)
    await createTask(ada, 'young')
    await compact()
    const { body } = await as(ada)('listChanges', { query: { cursor: String(early.cursor) }, expect: 410 })
    t.equal(body.code, 'CURSOR_EXPIRED')
    // The counts of the inbox were overtaken after that as well.
    await as(ada)('listChanges', { query: { cursor: String(late.cursor) }, expect: 410 })
    const fresh = new Replica()
    await fresh.catchUp(as, ada)
    t.same(sorted(fresh.states), sorted(await everythingOf(as, ada)))
    await remove(ada, second)
    await compact()
    t.match(await fresh.catchUp(as, ada), [{ type: 'task.deleted', id: second }, { type: 'list.updated' }])
  })

  t.test('410 in the middle of a first reading if something was forgotten meanwhile, and 200 if not', async (t) => {
    const ada = await register()
    const [first] = [await createTask(ada, 'x'), await createTask(ada, 'y')]
    await rename(ada, first, 'z')
    await age(ada, 31)
    await compact()
    const { body: begun } = await as(ada)('listChanges', { query: { limit: 1 }, expect: 200 })
    t.ok(begun.hasMore)
    await compact()
    await as(ada)('listChanges', { query: { cursor: begun.nextCursor }, expect: 200 })
    await rename(ada, first, 'again')
    await createTask(ada, 'newest')
    await age(ada, 31)
    await compact()
    await as(ada)('listChanges', { query: { cursor: begun.nextCursor }, expect: 410 })
  })

  t.test('numbers go on after everything else was forgotten', async (t) => {
    const ada = await register()
    await remove(ada, await createTask(ada, 'x'))
    await age(ada, 31)
    await compact()
    const replica = new Replica()
    await replica.catchUp(as, ada)
    const taskId = await createTask(ada, 'next')
    t.match(await replica.catchUp(as, ada), [{ type: 'task.created', id: taskId }, { type: 'list.updated' }])
  })
})
