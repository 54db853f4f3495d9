import t from 'tap'
import type { Database, Transaction } from '../../src/database/database.ts'
import { deleteTask, updateTask } from '../../src/tasks/queries.ts'
import { EMBEDDED, type Person, startApp } from '../support/app.ts'
import { inTheMiddle } from '../support/in-the-middle.ts'

/** Locks that two requests wait for crosswise would end one of them with a 503, after a second. */
t.test('writes at the same time', async (t) => {
  const { as, register, context } = await startApp(t)
  const { db } = context
  const createTasks = async (person: Person, listId: string, count: number, dueDate: string | null = null) => {
    const ids = []
    for (let index = 0; index < count; index++) {
      const body = { title: `${index}`, categories: ['a', 'b'].slice(index % 2), dueDate }
      ids.push((await as(person)('createListTask', { params: { listId }, body, expect: 201 })).body.id)
    }
    return ids
  }

  for (const change of ['completes', 'deletes', 'moves'] as const)
    t.test(`deleteList: 204 while another ${change} every one of its tasks: 200, 204 or 404`, async (t) => {
      const ada = await register()
      const inboxId = (await as(ada)('listLists', { expect: 200 })).body.items[0]?.id ?? ''
      for (let round = 0; round < 6; round++) {
        const { body: list } = await as(ada)('createList', { body: { title: 'Doomed' }, expect: 201 })
        const ids = await createTasks(ada, list.id, 12)
        const changes = ids.map(async (taskId): Promise<number> => {
          if (change === 'deletes') return (await as(ada)('deleteTask', { params: { taskId } })).status
          const body = change === 'moves' ? { listId: inboxId } : { completed: true }
          return (await as(ada)('updateTask', { params: { taskId }, body })).status
        })
        changes.splice(
          round * 2,
          0,
          as(ada)('deleteList', { params: { listId: list.id } }).then(({ status }) => status),
        )
        const statuses = new Set(await Promise.all(changes))
        t.ok(statuses.delete(204))
        t.same(
          [...statuses].filter((status) => status !== 200 && status !== 404),
          [],
        )
      }
      const { body: left } = await as(ada)('listTasks', { query: { limit: 100 }, expect: 200 })
      t.same(
        left.items.filter(({ listId }) => listId !== inboxId),
        [],
      )
      t.equal((await as(ada)('getList', { params: { listId: inboxId }, expect: 200 })).body.openTasks, left.items.length)
      const { body: categories } = await as(ada)('listCategories', { expect: 200 })
      for (const name of ['a', 'b']) {
        const having = left.items.filter(({ categories }) => categories.includes(name)).length
        t.equal(categories.items.find((category) => category.name === name)?.openTasks ?? 0, having)
      }
    })

  t.test('updateMe: 200 while another changes the all-day tasks that move with the zone: 200, and all have the last zone', async (t) => {
    const ada = await register()
    const { body: list } = await as(ada)('createList', { body: { title: 'All day' }, expect: 201 })
    const ids = await createTasks(ada, list.id, 10, '2026-07-01')
    const zones = ['America/New_York', 'Asia/Tokyo', 'Europe/Berlin', 'UTC', 'Asia/Kolkata', 'America/New_York']
    for (const [round, timeZone] of zones.entries()) {
      const writes: Promise<{ status: number }>[] = ids.map((taskId, index) =>
        as(ada)('updateTask', {
          params: { taskId },
          body: [{ title: `${round}` }, { dueDate: '2026-07-01' }, { dueDate: '2026-07-01', timeZone: null }][index % 3] ?? {},
        }),
      )
      writes.splice(round * 2, 0, as(ada)('updateMe', { body: { timeZone } }))
      t.same(new Set((await Promise.all(writes)).map(({ status }) => status)), new Set([200]))
    }
    const dueAts = new Set((await as(ada)('listTasks', { expect: 200 })).body.items.map(({ dueAt }) => dueAt))
    t.same([...dueAts], ['2026-07-02T04:00:00.000Z'])
  })

  t.test('updateTask: 200 to all that swap the lists and the categories of tasks crosswise', async (t) => {
    const ada = await register()
    const [a, b] = [
      await as(ada)('createList', { body: { title: 'A' }, expect: 201 }),
      await as(ada)('createList', { body: { title: 'B' }, expect: 201 }),
    ]
    const lists = [a.body.id, b.body.id]
    const ids = await createTasks(ada, a.body.id, 12)
    for (let round = 0; round < 4; round++) {
      const changes = ids.map((taskId, index) =>
        as(ada)('updateTask', {
          params: { taskId },
          body: { listId: String(lists[(index + round) % 2]), categories: (index + round) % 3 > 0 ? ['x', 'y', 'z'] : ['z', 'x'] },
        }),
      )
      t.same([...new Set((await Promise.all(changes)).map(({ status }) => status))], [200])
    }
    for (const listId of lists) t.equal((await as(ada)('getList', { params: { listId }, expect: 200 })).body.openTasks, 6)
  })

  t.test('one in the middle of the other', { skip: EMBEDDED && 'one write runs after the other' }, async (t) => {
    const createTask = async (dueDate: string | null = null, timeZone: string | null = null) => {
      const ada = await register()
      const { body: list } = await as(ada)('createList', { body: { title: 'x' }, expect: 201 })
      const { body: task } = await as(ada)('createListTask', { params: { listId: list.id }, body: { title: 'x', dueDate, timeZone }, expect: 201 })
      const get = async () => (await as(ada)('getTask', { params: { taskId: task.id } })).body
      return {
        ada,
        params: { listId: list.id },
        get,
        change: (changes: Parameters<typeof updateTask>[3]) => (trx: Database) => updateTask(trx, ada.id, task.id, changes, undefined),
        remove: (trx: Transaction) => deleteTask(trx, ada.id, task.id, undefined),
      }
    }
    const moveTo = (person: Person, timeZone: string) => () => as(person)('updateMe', { body: { timeZone }, expect: 200 })

    t.test('deleteList: 204 in the middle of a change of its task that will be counted', async (t) => {
      const { ada, params, change, get } = await createTask()
      await inTheMiddle(db, change({ title: 'y' }), () => as(ada)('deleteList', { params, expect: 204 }), change({ completed: true }))
      t.match(await get(), { status: 404 })
    })

    t.test('deleteList: 204 in the middle of a move of its task to another list, where it lives on', async (t) => {
      const { ada, params, change, get } = await createTask()
      const listId = (await as(ada)('listLists', { expect: 200 })).body.items[0]?.id ?? ''
      await inTheMiddle(db, change({ title: 'y' }), () => as(ada)('deleteList', { params, expect: 204 }), change({ list_id: listId }))
      t.match(await get(), { title: 'y', listId })
      t.equal((await as(ada)('getList', { params: { listId }, expect: 200 })).body.openTasks, 1)
    })

    t.test('deleteList: 412 in the middle of the deletion of its task, for the ETag before', async (t) => {
      const { ada, params, remove } = await createTask()
      const etag = (await as(ada)('getList', { params, expect: 200 })).headers.get('etag') ?? ''
      await inTheMiddle(db, remove, () => as(ada)('deleteList', { params, headers: { 'If-Match': etag }, expect: 412 }))
      t.equal((await as(ada)('getList', { params, expect: 200 })).body.openTasks, 0)
    })

    t.test('createTask: 201 with a category in the middle of another with the same new one, and both are counted', async (t) => {
      const { ada, change } = await createTask()
      const send = () => as(ada)('createTask', { body: { title: 'x', categories: ['new'] }, expect: 201 })
      await inTheMiddle(db, change({ categories: ['new'] }), send)
      t.same((await as(ada)('listCategories', { expect: 200 })).body.items, [{ name: 'new', openTasks: 2, completedTasks: 0 }])
    })

    t.test('createTask: 201 with a category in the middle of the deletion of its last task, and it is there again', async (t) => {
      const { ada, change, remove } = await createTask()
      await change({ categories: ['old'] })(db)
      await inTheMiddle(db, remove, () => as(ada)('createTask', { body: { title: 'x', categories: ['old'], completed: true }, expect: 201 }))
      t.same((await as(ada)('listCategories', { expect: 200 })).body.items, [{ name: 'old', openTasks: 0, completedTasks: 1 }])
    })

    t.test('deleteTask: 204 in the middle of the creation of another with its category, which stays', async (t) => {
      const { ada, change } = await createTask()
      const { body } = await as(ada)('createTask', { body: { title: 'x', categories: ['same'] }, expect: 201 })
      await inTheMiddle(db, change({ categories: ['same'] }), () => as(ada)('deleteTask', { params: { taskId: body.id }, expect: 204 }))
      t.same((await as(ada)('listCategories', { expect: 200 })).body.items, [{ name: 'same', openTasks: 1, completedTasks: 0 }])
    })

    t.test('updateMe: 200 with another zone in the middle of a change of an all-day task', async (t) => {
      const { ada, change, get } = await createTask('2026-07-01')
      await inTheMiddle(db, change({ priority: 'high' }), moveTo(ada, 'Asia/Tokyo'), change({ due: { due_on: '2026-07-02', due_at: null } }))
      t.match(await get(), { priority: 'high', dueAt: '2026-07-02T15:00:00.000Z' })
    })

    for (const [name, dueDate, timeZone, changes] of [
      ['a timed task becomes an all-day one', '2026-07-01T12:00:00Z', null, { due: { due_on: '2026-07-01', due_at: null } }],
      ['an undated task becomes an all-day one', null, null, { due: { due_on: '2026-07-01', due_at: null } }],
      ['an all-day task gives up its own zone', '2026-07-01', 'Europe/Berlin', { time_zone: null }],
    ] as const)
      t.test(`updateMe: 200 with another zone while ${name}, and it has the new one`, async (t) => {
        const { ada, change, get } = await createTask(dueDate, timeZone)
        await inTheMiddle(db, change(changes), moveTo(ada, 'Asia/Tokyo'))
        t.match(await get(), { dueDate: '2026-07-01', dueAt: '2026-07-01T15:00:00.000Z' })
      })

    t.test('createTask: 201 for an all-day task in the middle of a change of the zone, and it has the new one', async (t) => {
      const ada = await register()
      const change = (trx: Transaction) => trx.updateTable('users').set({ time_zone: 'Asia/Tokyo' }).where('id', '=', ada.id).execute()
      const { body } = await inTheMiddle(db, change, () => as(ada)('createTask', { body: { title: 'x', dueDate: '2026-07-01' }, expect: 201 }))
      t.equal(body.dueAt, '2026-07-01T15:00:00.000Z')
    })
  })
})
