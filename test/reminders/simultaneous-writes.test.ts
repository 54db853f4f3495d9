import t from 'tap'
import { fireDueReminders } from '../../src/reminders/firing.ts'
import { EMBEDDED } from '../support/app.ts'
import { startInstances } from '../support/instances.ts'
import { changesOf, dueReminder, FAR, makeDue, newTask } from './due.ts'

/** Locks that two wait for crosswise would end one of them with a 503, after a second. */
t.test('reminders that fire while their tasks change', async (t) => {
  const [a, b] = await startInstances(t, EMBEDDED ? {} : { DATABASE_POOL_SIZE: '10' })
  const { as, context, register } = a

  t.test('no request and no firing fails, and the log ends with what is there', async (t) => {
    const people = [await register(), await register()]
    for (let round = 0; round < 8; round++) {
      const zone = ['Asia/Tokyo', 'America/New_York'][round % 2] as string
      const writes: Promise<{ status: number }>[] = []
      for (const person of people) {
        const { body: list } = await as(person)('createList', { body: { title: 'Doomed' }, expect: 201 })
        const tasks = []
        for (let count = 0; count < 6; count++) {
          const task = await newTask(a, person, { dueDate: '2099-02-01', ...(count < 3 && { listId: list.id }) })
          const ids = []
          for (const body of [{ at: FAR }, { minutesBefore: 5 }]) {
            ids.push((await as(person)('createReminder', { params: { taskId: task.id }, body, expect: 201 })).body.id)
          }
          await makeDue(context, String(ids[0]))
          tasks.push({ id: task.id, ids })
        }
        const [one, two, three, four, five, six] = tasks.map(({ id }) => ({ taskId: id }))
        writes.push(
          as(person)('updateTask', { params: one as never, body: { completed: true } }),
          b.as(person)('deleteList', { params: { listId: list.id } }),
          as(person)('updateTask', { params: two as never, body: { dueDate: '2026-01-01' } }),
          b.as(person)('deleteTask', { params: three as never }),
          as(person)('updateTask', { params: four as never, body: { completed: true } }),
          b.as(person)('updateTask', { params: five as never, body: { dueDate: '2026-01-01' } }),
          as(person)('createReminder', { params: five as never, body: { at: FAR } }),
          b.as(person)('deleteReminder', { params: { reminderId: String(tasks[4]?.ids[0]) } }),
          as(person)('deleteReminder', { params: { reminderId: String(tasks[5]?.ids[1]) } }),
          as(person)('updateTask', { params: six as never, body: { dueDate: '2098-01-01' } }),
          b.as(person)('updateMe', { body: { timeZone: zone } }),
        )
      }
      const fired = Promise.all([fireDueReminders(context), fireDueReminders(b.context), fireDueReminders(context)])
      const statuses = (await Promise.all(writes)).map(({ status }) => status)
      t.same(
        statuses.filter((status) => ![200, 201, 204, 404].includes(status)),
        [],
      )
      await fired
    }
    while (await fireDueReminders(context));

    for (const person of people) {
      const last = new Map((await changesOf(context, person)).map((change) => [change.resource_id, change]))
      const rows = await context.db.selectFrom('reminders').select(['id', 'version', 'fire_at']).where('owner_id', '=', person.id).execute()
      const there = [...last.values()].filter(({ type }) => type !== 'reminder.deleted')
      t.same(new Map(there.map(({ resource_id, version }) => [resource_id, version])), new Map(rows.map(({ id, version }) => [id, version])))
      const { rows: sequences } = await context.db.executeQuery<{ sequence: number }>(
        context.db.selectFrom('changes').select('sequence').where('owner_id', '=', person.id).orderBy('sequence').compile(),
      )
      t.same(
        sequences.map(({ sequence }) => Number(sequence)),
        sequences.map((_, index) => index + 1),
      )
    }
  })

  t.test('an account that ends while its reminders fire leaves nothing', async (t) => {
    for (let round = 0; round < 5; round++) {
      const ada = await register()
      for (let count = 0; count < 3; count++) await dueReminder(a, ada)
      const [, { status }] = await Promise.all([
        fireDueReminders(context),
        b.as(ada)('deleteMe', { body: { currentPassword: 'correct horse battery staple' } }),
        fireDueReminders(b.context),
      ])
      t.equal(status, 204)
      t.same(await changesOf(context, ada), [])
      t.same(await context.db.selectFrom('reminders').select('id').where('owner_id', '=', ada.id).execute(), [])
    }
  })
})
