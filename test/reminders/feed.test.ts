import t from 'tap'
import { fireDueReminders } from '../../src/reminders/firing.ts'
import { everythingOf, Replica, sorted } from '../changes/replica.ts'
import { startApp } from '../support/app.ts'
import { FAR, makeDue, newTask } from './due.ts'

t.test('listChanges: a client that applies all of them has the reminders that GET shows', async (t) => {
  const app = await startApp(t)
  const { as, context, register } = app
  const ada = await register()
  const replica = new Replica()
  const tasks = [await newTask(app, ada, { dueDate: '2099-02-01' }), await newTask(app, ada, { dueDate: '2099-02-02' })]
  const ids: string[] = []
  for (const { id: taskId } of tasks) {
    for (const body of [{ minutesBefore: 30 }, { at: FAR }]) {
      ids.push((await as(ada)('createReminder', { params: { taskId }, body, expect: 201 })).body.id)
    }
  }
  await replica.catchUp(as, ada)
  t.same(sorted(replica.states), sorted(await everythingOf(as, ada)))

  await as(ada)('updateMe', { body: { timeZone: 'Asia/Tokyo' }, expect: 200 })
  await makeDue(context, String(ids[1]))
  await fireDueReminders(context)
  await as(ada)('updateTask', { params: { taskId: String(tasks[1]?.id) }, body: { completed: true }, expect: 200 })
  const seen = await replica.catchUp(as, ada)
  t.same(sorted(replica.states), sorted(await everythingOf(as, ada)))
  const fired = seen.filter(({ type }) => type === 'reminder.fired')
  t.match(fired, [{ resource: 'reminder', id: ids[1], actorId: null, state: { id: ids[1], at: '2026-01-01T08:00:00.000Z', firedAt: String } }])
  t.equal(seen.filter(({ type }) => type === 'reminder.deleted').length, 2)
})
