import t from 'tap'
import { startApp } from '../support/app.ts'

t.test('due dates', async (t) => {
  const { as, register } = await startApp(t)
  const ada = await register()
  const create = async (dueDate: string | null, timeZone?: string | null) => {
    const { body } = await as(ada)('createTask', { body: { title: 'x', dueDate, ...(timeZone !== undefined && { timeZone }) }, expect: 201 })
    t.same((await as(ada)('getTask', { params: { taskId: body.id }, expect: 200 })).body, body)
    return body
  }
  const dueOf = async (dueDate: string | null, timeZone?: string | null) => {
    const task = await create(dueDate, timeZone)
    return [task.dueDate, task.dueAt, task.timeZone]
  }

  t.test('createTask: 201, an all-day task is overdue when its day ends in UTC, the zone of a new profile', async (t) => {
    for (const [date, end] of [
      ['2026-02-01', '2026-02-02'],
      ['2026-02-28', '2026-03-01'],
      ['2024-02-28', '2024-02-29'],
      ['2024-02-29', '2024-03-01'],
      ['2000-02-29', '2000-03-01'],
      ['2100-02-28', '2100-03-01'],
      ['2026-12-31', '2027-01-01'],
      ['0001-01-01', '0001-01-02'],
      ['0099-12-31', '0100-01-01'],
      ['1582-10-10', '1582-10-11'],
      ['9999-12-30', '9999-12-31'],
    ] as const)
      t.same(await dueOf(date), [date, `${end}T00:00:00.000Z`, null], date)
  })

  t.test('listTasks: 200 with what is due on a day, as openapi.yaml says it is asked for', async (t) => {
    const eve = await register()
    const due = async (dueDate: string) => {
      const body = { title: dueDate, dueDate, timeZone: 'Europe/Berlin' }
      await as(eve)('createTask', { body, expect: 201 })
    }
    for (const date of ['2026-01-31', '2026-02-01', '2026-02-02', '2026-02-01T08:00:00+01:00', '2026-02-02T08:00:00+01:00']) await due(date)
    const query = { dueAfter: '2026-01-31T23:00:00.001Z', dueBefore: '2026-02-01T23:00:00.001Z', sort: 'dueAt' as const }
    const { body } = await as(eve)('listTasks', { query, expect: 200 })
    t.same(
      body.items.map(({ title }) => title),
      ['2026-02-01T08:00:00+01:00', '2026-02-01'],
    )
  })

  t.test('createTask: 201 on the last day of year 9999, which ends with the last millisecond there is', async (t) => {
    for (const timeZone of ['UTC', 'America/New_York', 'Pacific/Kiritimati']) {
      const end = timeZone === 'Pacific/Kiritimati' ? '9999-12-31T10:00:00.000Z' : '9999-12-31T23:59:59.999Z'
      t.same(await dueOf('9999-12-31', timeZone), ['9999-12-31', end, timeZone])
    }
    t.same(await dueOf('9999-12-31T23:59:59.999Z'), ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z', null])
    for (const query of [{ dueBefore: '9999-12-31T23:59:59.999Z' }, { sort: 'dueAt' as const, limit: 1 }])
      t.ok((await as(ada)('listTasks', { query, expect: 200 })).body.items.length > 0)
  })

  t.test('createTask: 201, a date-time comes back in UTC with milliseconds', async (t) => {
    for (const [sent, stored] of [
      ['2026-02-01T18:00:00Z', '2026-02-01T18:00:00.000Z'],
      ['2026-02-01T19:00:00+01:00', '2026-02-01T18:00:00.000Z'],
      ['2026-02-01T00:00:00.123456+14:00', '2026-01-31T10:00:00.123Z'],
      ['2026-12-31T23:59:59.9-12:00', '2027-01-01T11:59:59.900Z'],
      ['2024-02-29t12:00:00z', '2024-02-29T12:00:00.000Z'],
      ['2026-03-29T02:30:00+01:00', '2026-03-29T01:30:00.000Z'],
      ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
      [`2026-02-01T18:00:00.${'9'.repeat(32)}Z`, '2026-02-01T18:00:00.999Z'],
    ] as const)
      t.same(await dueOf(sent), [stored, stored, null], sent)
  })

  t.test('createTask: 201, a zone does not move a date-time, and comes back with it', async (t) => {
    const instant = '2026-02-01T18:00:00.000Z'
    t.same(await dueOf(instant, 'Asia/Tokyo'), [instant, instant, 'Asia/Tokyo'])
  })

  t.test('createTask: 201, null is no due date, with or without a zone', async (t) => {
    t.same(await dueOf(null), [null, null, null])
    t.same(await dueOf(null, null), [null, null, null])
    t.same(await dueOf(null, 'Asia/Tokyo'), [null, null, 'Asia/Tokyo'])
  })

  t.test('updateTask: 200, from all-day to timed and back, with another zone and without', async (t) => {
    const { id: taskId } = await create('2026-02-01')
    const change = async (body: { dueDate?: string | null; timeZone?: string | null; title?: string; completed?: boolean }) => {
      const { body: task } = await as(ada)('updateTask', { params: { taskId }, body, expect: 200 })
      return [task.dueDate, task.dueAt, task.timeZone]
    }
    t.same(await change({ timeZone: 'Asia/Tokyo' }), ['2026-02-01', '2026-02-01T15:00:00.000Z', 'Asia/Tokyo'])
    t.same(await change({ title: 'y', completed: true }), ['2026-02-01', '2026-02-01T15:00:00.000Z', 'Asia/Tokyo'])
    t.same(await change({ dueDate: '2026-02-03' }), ['2026-02-03', '2026-02-03T15:00:00.000Z', 'Asia/Tokyo'])
    t.same(await change({ dueDate: '2026-02-03T10:00:00+09:00' }), ['2026-02-03T01:00:00.000Z', '2026-02-03T01:00:00.000Z', 'Asia/Tokyo'])
    t.same(await change({ timeZone: 'Europe/Paris' }), ['2026-02-03T01:00:00.000Z', '2026-02-03T01:00:00.000Z', 'Europe/Paris'])
    t.same(await change({ dueDate: '2026-02-04' }), ['2026-02-04', '2026-02-04T23:00:00.000Z', 'Europe/Paris'])
    t.same(await change({ timeZone: null }), ['2026-02-04', '2026-02-05T00:00:00.000Z', null])
    t.same(await change({ dueDate: null }), [null, null, null])
    t.same(await change({ dueDate: '2026-02-05', timeZone: 'Etc/GMT+12' }), ['2026-02-05', '2026-02-06T12:00:00.000Z', 'Etc/GMT+12'])
    t.same(await change({ dueDate: null }), [null, null, 'Etc/GMT+12'])
  })

  const invalid = [
    '2026-02-30',
    '2026-02-29',
    '1900-02-29',
    '2100-02-29',
    '2026-04-31',
    '2026-13-01',
    '2026-00-10',
    '2026-01-00',
    '0000-01-01',
    '0000-12-31T23:59:59Z',
    '10000-01-01',
    '-2026-01-01',
    '+2026-01-01',
    '2026-1-1',
    '26-01-01',
    '20260101',
    '2026/01/01',
    '2026-W05',
    '2026-032',
    '2026-02-01 18:00:00Z',
    '2026-02-01T18:00:00',
    '2026-02-01T18:00Z',
    '2026-02-01T18:00:60Z',
    '2016-12-31T23:59:60Z',
    '2026-02-01T18:60:00Z',
    '2026-02-01T24:00:00Z',
    '2026-02-01T25:00:00Z',
    '2026-02-30T18:00:00Z',
    '2026-02-01T18:00:00+24:00',
    '2026-02-01T18:00:00+01:60',
    '2026-02-01T18:00:00+0100',
    '2026-02-01T18:00:00+01',
    '2026-02-01T18:00:00,5Z',
    '2026-02-01T18:00:00.Z',
    `2026-02-01T18:00:00.${'1'.repeat(33)}Z`,
    '2026-02-01T18:00:00[Europe/Berlin]',
    '9999-12-31T23:59:59-00:01',
    '0001-01-01T00:00:00+00:01',
    ' 2026-02-01',
    '2026-02-01 ',
    '2026-02-01\n',
    '٢٠٢٦-٠٢-٠١',
    '',
    'today',
    'infinity',
    'now',
    'Invalid Date',
  ]
  t.test('createTask and updateTask: 422 for what is no date and no date-time', async (t) => {
    const task = await create('2026-02-01')
    // The shortest and the longest texts break another rule first, but one complaint is enough.
    for (const dueDate of [...invalid, 20260201, true, ['2026-02-01'], {}]) {
      const { body } = await as(ada)('createTask', { body: { title: 'x', dueDate } as never, expect: 422 })
      t.match(body.errors, [{ in: 'body', path: '/dueDate', code: /^(format|type|minLength|maxLength)$/ }], JSON.stringify(dueDate))
      t.equal(body.errors?.length, 1)
      await as(ada)('updateTask', { params: { taskId: task.id }, body: { dueDate } as never, expect: 422 })
    }
    t.same((await as(ada)('getTask', { params: { taskId: task.id }, expect: 200 })).body, task)
  })

  t.test('createTask and updateTask: 422 for a zone that is none', async (t) => {
    const task = await create('2026-02-01', 'Europe/Berlin')
    for (const timeZone of [
      'Europe/Atlantis',
      '+01:00',
      'UTC+1',
      '',
      ' UTC',
      'Europe/Berlin ',
      '../../etc/passwd',
      "UTC'",
      'a'.repeat(65),
      'CEST',
      'local',
      1,
    ]) {
      const { body } = await as(ada)('createTask', { body: { title: 'x', timeZone } as never, expect: 422 })
      t.match(body.errors, [{ in: 'body', path: '/timeZone' }], String(timeZone))
      await as(ada)('updateTask', { params: { taskId: task.id }, body: { timeZone } as never, expect: 422 })
    }
    t.same((await as(ada)('getTask', { params: { taskId: task.id }, expect: 200 })).body, task)
  })
})
