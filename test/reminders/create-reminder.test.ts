import t from 'tap'
import { startApp } from '../support/app.ts'
import { changesOf, FAR, newTask } from './due.ts'

const refused = (path: string, code: string) => ({ status: 422, body: { code: 'VALIDATION_FAILED', errors: [{ in: 'body', path, code }] } })

t.test('createReminder', async (t) => {
  const app = await startApp(t)
  const { as, context, register } = app
  const ada = await register()

  t.test('201 at a time, in whatever offset it is given', async (t) => {
    const { id: taskId } = await newTask(app, ada)
    const { body, headers } = await as(ada)('createReminder', { params: { taskId }, body: { at: '2099-02-01t09:00:00.0004+01:00' }, expect: 201 })
    t.match(body, { taskId, at: FAR, minutesBefore: null, fireAt: FAR, firedAt: null, updatedAt: body.createdAt })
    t.equal(headers.get('location'), `/api/v1/reminders/${body.id}`)
    const got = await as(ada)('getReminder', { params: { reminderId: body.id }, expect: 200 })
    t.same(got.body, body)
    t.equal(got.headers.get('etag'), headers.get('etag'))
  })

  t.test('201 so long before the due date, all-day or timed', async (t) => {
    for (const [dueDate, minutesBefore, fireAt] of [
      ['2099-02-01T08:00:00Z', 0, '2099-02-01T08:00:00.000Z'],
      ['2099-02-01T08:00:00Z', 90, '2099-02-01T06:30:00.000Z'],
      ['2099-02-01', 40320, '2099-01-05T00:00:00.000Z'],
      ['9999-12-31', 1, '9999-12-31T23:58:59.999Z'],
    ] as const) {
      const { id: taskId } = await newTask(app, ada, { dueDate })
      const { body } = await as(ada)('createReminder', { params: { taskId }, body: { minutesBefore }, expect: 201 })
      t.match(body, { at: null, minutesBefore, fireAt, firedAt: null })
    }
  })

  t.test('is a change of its owner', async (t) => {
    const grace = await register()
    const { id: taskId } = await newTask(app, grace)
    const { body } = await as(grace)('createReminder', { params: { taskId }, body: { at: FAR }, expect: 201 })
    const state = { id: body.id, task_id: taskId, minutes_before: null, fired_at: null, version: 1 }
    t.match(await changesOf(context, grace), [{ type: 'reminder.created', resource_id: body.id, version: 1, actor_id: grace.id, state }])
  })

  t.test('422 unless it says once when', async (t) => {
    const { id: taskId } = await newTask(app, ada, { dueDate: '2099-02-01' })
    const create = (body: object) => as(ada)('createReminder', { params: { taskId }, body })
    t.match(await create({}), refused('', 'minProperties'))
    t.match(await create({ at: FAR, minutesBefore: 1 }), refused('/minutesBefore', 'conflict'))
    t.match(await create({ at: null }), refused('/at', 'type'))
    t.match(await create({ at: '2099-02-01' }), { status: 422, body: { errors: [{ path: '/at' }] } })
    t.match(await create({ at: 'tomorrow at eight o’clock' }), refused('/at', 'format'))
    for (const minutesBefore of [-1, 40321, 1.5, '30'])
      t.match(await create({ minutesBefore }), { status: 422, body: { errors: [{ path: '/minutesBefore' }] } })
    t.same((await as(ada)('listReminders', { params: { taskId }, expect: 200 })).body.items, [])
  })

  t.test('422 for a time that has passed', async (t) => {
    const { id: taskId } = await newTask(app, ada, { dueDate: '2026-01-01' })
    t.match(await as(ada)('createReminder', { params: { taskId }, body: { at: '2026-01-01T00:00:00Z' } }), refused('/at', 'past'))
    t.match(await as(ada)('createReminder', { params: { taskId }, body: { at: '0001-01-01T00:00:00Z' } }), refused('/at', 'past'))
    t.match(await as(ada)('createReminder', { params: { taskId }, body: { minutesBefore: 0 } }), refused('/minutesBefore', 'past'))
    const { id: ancient } = await newTask(app, ada, { dueDate: '0001-01-01' })
    t.match(await as(ada)('createReminder', { params: { taskId: ancient }, body: { minutesBefore: 40320 } }), refused('/minutesBefore', 'past'))
  })

  t.test('409 for a relative one without a due date, and for a completed task', async (t) => {
    const { id: taskId } = await newTask(app, ada)
    t.match(await as(ada)('createReminder', { params: { taskId }, body: { minutesBefore: 1 } }), {
      status: 409,
      body: { code: 'CONFLICT', detail: /no due date/ },
    })
    await as(ada)('updateTask', { params: { taskId }, body: { completed: true }, expect: 200 })
    t.match(await as(ada)('createReminder', { params: { taskId }, body: { at: FAR } }), {
      status: 409,
      body: { code: 'CONFLICT', detail: /completed/ },
    })
  })

  t.test('409 for the eleventh, and 201 again when one is deleted', async (t) => {
    const { id: taskId } = await newTask(app, ada)
    const create = () => as(ada)('createReminder', { params: { taskId }, body: { at: FAR } })
    const answers = await Promise.all(Array.from({ length: 25 }, create))
    t.equal(answers.filter(({ status }) => status === 201).length, 10)
    for (const { status, body } of answers) if (status !== 201) t.match({ status, body }, { status: 409, body: { detail: /10 reminders/ } })
    const { items } = (await as(ada)('listReminders', { params: { taskId }, query: { limit: 100 }, expect: 200 })).body
    t.equal(items.length, 10)
    await as(ada)('deleteReminder', { params: { reminderId: String(items[3]?.id) }, expect: 204 })
    t.equal((await create()).status, 201)
    t.equal((await create()).status, 409)
  })

  t.test('a task that is completed at the same time is left with none', async (t) => {
    for (let round = 0; round < 10; round++) {
      const { id: taskId } = await newTask(app, ada)
      const create = () => as(ada)('createReminder', { params: { taskId }, body: { at: FAR } })
      const complete = () => as(ada)('updateTask', { params: { taskId }, body: { completed: true }, expect: 200 })
      const created = await Promise.all(round % 2 === 0 ? [create(), complete(), create()] : [create(), create(), complete()])
      t.same(
        created.filter(({ status }) => ![200, 201, 409].includes(status)),
        [],
      )
      t.same((await as(ada)('listReminders', { params: { taskId }, expect: 200 })).body.items, [])
    }
  })
})
