import fc from 'fast-check'
import t from 'tap'
import type { components } from '../../generated/api.ts'
import { fireDueReminders } from '../../src/reminders/firing.ts'
import { type Person, startApp } from '../support/app.ts'
import { changesOf, FAR, newTask } from './due.ts'

type Reminder = components['schemas']['Reminder']
const MINUTE = 60_000

t.test('reminders and the due dates of their tasks', async (t) => {
  const app = await startApp(t)
  const { as, context, register } = app
  const ada = await register()
  const get = async (person: Person, reminderId: string) => (await as(person)('getReminder', { params: { reminderId }, expect: 200 })).body
  const remind = async (person: Person, taskId: string, body: { at: string } | { minutesBefore: number }) =>
    (await as(person)('createReminder', { params: { taskId }, body, expect: 201 })).body
  const change = (person: Person, taskId: string, body: { dueDate?: string | null; timeZone?: string | null; title?: string }) =>
    as(person)('updateTask', { params: { taskId }, body, expect: 200 })

  t.test('a relative one moves with the due date, sleeps without one, and wakes with the next', async (t) => {
    const task = await newTask(app, ada, { dueDate: '2099-02-01T08:00:00Z' })
    const [relative, absolute] = [await remind(ada, task.id, { minutesBefore: 60 }), await remind(ada, task.id, { at: FAR })]
    for (const [dueDate, fireAt, version] of [
      ['2099-02-03T08:00:00Z', '2099-02-03T07:00:00.000Z', 2],
      [null, null, 3],
      ['2099-02-05', '2099-02-05T23:00:00.000Z', 4],
      ['0001-01-01T00:30:00Z', '0001-01-01T00:00:00.000Z', 5],
      ['9999-12-31', '9999-12-31T22:59:59.999Z', 6],
    ] as const) {
      await change(ada, task.id, { dueDate })
      const { body, headers } = await as(ada)('getReminder', { params: { reminderId: relative.id }, expect: 200 })
      t.match(body, { minutesBefore: 60, fireAt, firedAt: null }, String(dueDate))
      t.equal(headers.get('etag'), `"${version}"`)
      t.same(await get(ada, absolute.id), absolute)
    }
  })

  t.test('other changes of the task leave it as it is', async (t) => {
    const grace = await register()
    const task = await newTask(app, grace, { dueDate: '2099-02-01T08:00:00Z' })
    const reminder = await remind(grace, task.id, { minutesBefore: 60 })
    await change(grace, task.id, { title: 'Bread', dueDate: '2099-02-01T09:00:00+01:00' })
    t.same(await get(grace, reminder.id), reminder)
    t.equal((await changesOf(context, grace)).length, 1)
  })

  t.test('those of all-day tasks move with the time zone of the task, or of the user', async (t) => {
    const grace = await register()
    const tasks = [await newTask(app, grace, { dueDate: '2099-02-01' }), await newTask(app, grace, { dueDate: '2099-02-01', timeZone: 'Asia/Tokyo' })]
    const ids: string[] = []
    for (const { id } of tasks) ids.push((await remind(grace, id, { minutesBefore: 30 })).id)
    const fireAts = async () => Promise.all(ids.map(async (id) => (await get(grace, id)).fireAt))
    t.same(await fireAts(), ['2099-02-01T23:30:00.000Z', '2099-02-01T14:30:00.000Z'])
    await as(grace)('updateMe', { body: { timeZone: 'America/New_York' }, expect: 200 })
    t.same(await fireAts(), ['2099-02-02T04:30:00.000Z', '2099-02-01T14:30:00.000Z'])
    await change(grace, String(tasks[1]?.id), { timeZone: null })
    t.same(await fireAts(), ['2099-02-02T04:30:00.000Z', '2099-02-02T04:30:00.000Z'])
    t.same(
      (await changesOf(context, grace)).map(({ type, resource_id, version }) => `${type} ${ids.indexOf(resource_id)} ${version}`),
      ['reminder.created 0 1', 'reminder.created 1 1', 'reminder.updated 0 2', 'reminder.updated 1 2'],
    )
  })

  t.test('one that has fired fires again if its new time is yet to come, and not otherwise', async (t) => {
    const grace = await register()
    const task = await newTask(app, grace, { dueDate: '2099-02-01T08:00:00Z' })
    const { id } = await remind(grace, task.id, { minutesBefore: 60 })
    await change(grace, task.id, { dueDate: '2026-01-01T08:00:00Z' })
    t.match(await get(grace, id), { fireAt: '2026-01-01T07:00:00.000Z', firedAt: null })
    await fireDueReminders(context)
    const { firedAt } = await get(grace, id)
    t.type(firedAt, 'string')
    await change(grace, task.id, { dueDate: '2026-01-02T08:00:00Z' })
    t.match(await get(grace, id), { fireAt: '2026-01-02T07:00:00.000Z', firedAt })
    await change(grace, task.id, { dueDate: null })
    t.match(await get(grace, id), { fireAt: null, firedAt })
    await fireDueReminders(context)
    t.match(await get(grace, id), { fireAt: null, firedAt })
    await change(grace, task.id, { dueDate: '2099-02-01T08:00:00Z' })
    t.match(await get(grace, id), { fireAt: '2099-02-01T07:00:00.000Z', firedAt: null })
    await change(grace, task.id, { dueDate: '2026-01-03T08:00:00Z' })
    await fireDueReminders(context)
    t.type((await get(grace, id)).firedAt, 'string')
    t.same(
      (await changesOf(context, grace)).map(({ type, version, actor_id }) => `${type} ${version} ${actor_id === grace.id}`),
      [
        'reminder.created 1 true',
        'reminder.updated 2 true',
        'reminder.fired 3 false',
        'reminder.updated 4 true',
        'reminder.updated 5 true',
        'reminder.updated 6 true',
        'reminder.updated 7 true',
        'reminder.fired 8 false',
      ],
    )
  })

  t.test('after any changes, they are what a model of the rules says', async (t) => {
    // Years away from now on either side, and the ends of time.
    const dueDate = fc.constantFrom(
      ...[null, '0001-01-01', '0001-01-01T00:00:10Z', '2020-06-01', '2020-06-01T12:00:00Z', '2098-03-29', '2099-02-01T08:00:00.001Z', '9999-12-31'],
    )
    const timeZone = fc.constantFrom(null, 'Europe/Berlin', 'Pacific/Kiritimati', 'America/St_Johns')
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ dueDate }) },
      { weight: 1, arbitrary: fc.record({ timeZone }) },
      { weight: 1, arbitrary: fc.record({ dueDate, timeZone }) },
      { weight: 3, arbitrary: fc.constant('fire' as const) },
      { weight: 1, arbitrary: fc.record({ minutesBefore: fc.constantFrom(0, 1, 1440, 40320) }) },
      { weight: 1, arbitrary: fc.constant({ at: FAR }) },
    )
    type Expected = { minutesBefore: number | null; fireAt: string | null; fired: boolean; version: number }
    const isToCome = (time: string) => Date.parse(time) > Date.now()
    const FIRST = Date.parse('0001-01-01T00:00:00Z')

    const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const task = await newTask(app, ada, { dueDate: '2099-02-01' })
      let dueAt = task.dueAt
      const model = new Map<string, Expected>()
      const add = ({ id, minutesBefore, fireAt }: Reminder) => model.set(id, { minutesBefore, fireAt, fired: false, version: 1 })
      const momentOf = (minutes: number) => (dueAt === null ? null : new Date(Math.max(FIRST, Date.parse(dueAt) - minutes * MINUTE)).toISOString())
      add(await remind(ada, task.id, { minutesBefore: 60 }))

      for (const step of steps) {
        if (step === 'fire') {
          while (await fireDueReminders(context));
          for (const expected of model.values()) {
            if (expected.fireAt === null || expected.fired || isToCome(expected.fireAt)) continue
            expected.fired = true
            expected.version += 1
          }
        } else if ('at' in step || 'minutesBefore' in step) {
          const { status, body } = await as(ada)('createReminder', { params: { taskId: task.id }, body: step })
          const moment = 'at' in step ? step.at : momentOf(step.minutesBefore)
          if (model.size >= 10 || moment === null) t.equal(status, 409)
          else if (!isToCome(moment)) t.equal(status, 422)
          else if (status === 201 && 'fireAt' in body && body.fireAt === moment) add(body)
          else throw new Error(`${status} ${JSON.stringify(body)} instead of 201 and ${moment}`)
        } else {
          dueAt = (await change(ada, task.id, step)).body.dueAt
          for (const expected of model.values()) {
            if (expected.minutesBefore === null) continue
            const moment = momentOf(expected.minutesBefore)
            if (moment === expected.fireAt) continue
            expected.fireAt = moment
            expected.fired &&= moment === null || !isToCome(moment)
            expected.version += 1
          }
        }
        const { rows } = await context.db.executeQuery<{
          id: string
          minutes_before: number | null
          fire_at: string | null
          fired_at: string | null
          version: number
        }>(
          context.db
            .selectFrom('reminders')
            .select(['id', 'minutes_before', 'fire_at', 'fired_at', 'version'])
            .where('task_id', '=', task.id)
            .compile(),
        )
        const actual = new Map(
          rows.map((row) => [row.id, { minutesBefore: row.minutes_before, fireAt: row.fire_at, fired: row.fired_at !== null, version: row.version }]),
        )
        if (!t.same(actual, model)) throw new Error(`after ${JSON.stringify(step)} of ${JSON.stringify(steps)}`)
      }
    })
    const { failed, seed, counterexample } = await fc.check(property, { numRuns: 25 })
    t.notOk(failed, `SEED=${seed} ${JSON.stringify(counterexample)}`)
  })
})
