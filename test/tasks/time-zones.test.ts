import fc from 'fast-check'
import t from 'tap'
import { type Person, startApp } from '../support/app.ts'

t.test('the time zones of all-day tasks', async (t) => {
  const { as, register } = await startApp(t)
  const ada = await register()
  const create = async (dueDate: string | null, timeZone: string | null = null, person = ada) =>
    (await as(person)('createTask', { body: { title: 'x', dueDate, timeZone }, expect: 201 })).body
  const get = (taskId: string, person: Person) => as(person)('getTask', { params: { taskId }, expect: 200 })
  const moveTo = (timeZone: string, person: Person) => as(person)('updateMe', { body: { timeZone }, expect: 200 })

  t.test('createTask: 201, dueAt is when the day ends in its zone', async (t) => {
    for (const [timeZone, date, end] of [
      ['America/New_York', '2026-01-15', '2026-01-16T05:00:00.000Z'],
      ['America/New_York', '2026-07-15', '2026-07-16T04:00:00.000Z'],
      // Clocks go forward on the 8th of March and back on the 1st of November: days of 23 and 25 hours.
      ['America/New_York', '2026-03-07', '2026-03-08T05:00:00.000Z'],
      ['America/New_York', '2026-03-08', '2026-03-09T04:00:00.000Z'],
      ['America/New_York', '2026-10-31', '2026-11-01T04:00:00.000Z'],
      ['America/New_York', '2026-11-01', '2026-11-02T05:00:00.000Z'],
      ['Europe/Berlin', '2026-03-28', '2026-03-28T23:00:00.000Z'],
      ['Europe/Berlin', '2026-03-29', '2026-03-29T22:00:00.000Z'],
      ['Europe/Berlin', '2026-10-24', '2026-10-24T22:00:00.000Z'],
      ['Europe/Berlin', '2026-10-25', '2026-10-25T23:00:00.000Z'],
      // Half an hour back at two, not at midnight.
      ['Australia/Lord_Howe', '2026-04-04', '2026-04-04T13:00:00.000Z'],
      ['Australia/Lord_Howe', '2026-04-05', '2026-04-05T13:30:00.000Z'],
      // No midnight on the 4th of November 2018: clocks went forward then.
      ['America/Sao_Paulo', '2018-11-03', '2018-11-04T03:00:00.000Z'],
      ['America/Sao_Paulo', '2018-02-17', '2018-02-18T03:00:00.000Z'],
      // Two midnights: the day ends with the first.
      ['America/Havana', '2026-10-31', '2026-11-01T04:00:00.000Z'],
      ['America/Havana', '2026-11-01', '2026-11-02T05:00:00.000Z'],
      ['Atlantic/Azores', '2026-10-24', '2026-10-25T00:00:00.000Z'],
      ['Atlantic/Azores', '2026-03-28', '2026-03-29T01:00:00.000Z'],
      // The 30th of December 2011 was left out.
      ['Pacific/Apia', '2011-12-29', '2011-12-30T10:00:00.000Z'],
      ['Pacific/Apia', '2011-12-30', '2011-12-30T10:00:00.000Z'],
      ['Pacific/Kiritimati', '2026-01-01', '2026-01-01T10:00:00.000Z'],
      ['Pacific/Niue', '2026-01-01', '2026-01-02T11:00:00.000Z'],
      ['Asia/Kathmandu', '2026-01-01', '2026-01-01T18:15:00.000Z'],
      ['Etc/GMT-14', '2026-01-01', '2026-01-01T10:00:00.000Z'],
      ['europe/berlin', '2026-01-01', '2026-01-01T23:00:00.000Z'],
    ] as const) {
      const task = await create(date, timeZone)
      t.same([task.dueDate, task.dueAt, task.timeZone], [date, end, timeZone], `${timeZone} ${date}`)
    }
  })

  t.test('createTask: 201, dueAt is the first instant at which no calendar there shows the day any more', async (t) => {
    const zones = [
      'UTC',
      'America/New_York',
      'Europe/Berlin',
      'Atlantic/Azores',
      'America/Havana',
      'Australia/Lord_Howe',
      'Asia/Kolkata',
      'Pacific/Chatham',
    ]
    const days = fc.date({ min: new Date('2008-01-01'), max: new Date('2024-12-31'), noInvalidDate: true })
    await t.resolves(
      fc.assert(
        fc.asyncProperty(fc.constantFrom(...zones), days, async (timeZone, instant) => {
          const day = instant.toISOString().slice(0, 10)
          const calendar = new Intl.DateTimeFormat('en-CA', { timeZone })
          const dueAt = Date.parse(String((await create(day, timeZone)).dueAt))
          return calendar.format(dueAt) > day && calendar.format(dueAt - 1) === day
        }),
        { numRuns: 60 },
      ),
    )
  })

  t.test('updateMe: 200, the all-day tasks without a zone of their own move, with another ETag, and nothing else does', async (t) => {
    const grace = await register()
    const follows = await create('2026-07-01', null, grace)
    const own = await create('2026-07-01', 'Asia/Tokyo', grace)
    const timed = await create('2026-07-01T12:00:00Z', null, grace)
    const undated = await create(null, null, grace)
    const others = await create('2026-07-01')
    const etags = new Map<string, string | null>()
    for (const task of [follows, own, timed, undated]) etags.set(task.id, (await get(task.id, grace)).headers.get('etag'))

    t.equal(follows.dueAt, '2026-07-02T00:00:00.000Z')
    const { body: me } = await moveTo('America/New_York', grace)
    const moved = await get(follows.id, grace)
    t.same(moved.body, { ...follows, dueAt: '2026-07-02T04:00:00.000Z', updatedAt: me.updatedAt })
    t.not(moved.headers.get('etag'), etags.get(follows.id))
    await as(grace)('getTask', { params: { taskId: follows.id }, headers: { 'If-None-Match': etags.get(follows.id) ?? '' }, expect: 200 })
    for (const task of [own, timed, undated]) {
      const { body, headers } = await get(task.id, grace)
      t.same(body, task)
      t.equal(headers.get('etag'), etags.get(task.id))
    }
    t.same((await get(others.id, ada)).body, others)

    t.equal((await create('2026-07-01', null, grace)).dueAt, '2026-07-02T04:00:00.000Z', 'a new task has the new zone')
    const { body: loose } = await as(grace)('updateTask', { params: { taskId: own.id }, body: { timeZone: null }, expect: 200 })
    t.equal(loose.dueAt, '2026-07-02T04:00:00.000Z', 'and so has one that gives up its own')
  })

  t.test('updateMe: 200, the same zone or another name changes no task', async (t) => {
    const grace = await register()
    const task = await create('2026-07-01', null, grace)
    await moveTo('UTC', grace)
    await as(grace)('updateMe', { body: { username: `${grace.username}.` }, expect: 200 })
    t.same((await get(task.id, grace)).body, task)
  })

  t.test('listTasks: 200, the order by dueAt follows the zone of the profile', async (t) => {
    const grace = await register()
    const allDay = await create('2026-07-01', null, grace)
    const timed = await create('2026-07-02T02:00:00Z', null, grace)
    const order = async () => (await as(grace)('listTasks', { query: { sort: 'dueAt' }, expect: 200 })).body.items.map(({ id }) => id)
    t.same(await order(), [allDay.id, timed.id])
    await moveTo('America/New_York', grace)
    t.same(await order(), [timed.id, allDay.id])
    t.same((await as(grace)('listTasks', { query: { dueBefore: '2026-07-02T03:00:00Z' }, expect: 200 })).body.items, [timed])
  })
})
