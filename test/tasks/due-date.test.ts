import fc from 'fast-check'
import t from 'tap'
import { instantOf } from '../../src/instant.ts'
import { storedDueDate } from '../../src/tasks/due-date.ts'

t.test('due dates as they are stored', async (t) => {
  t.test('a date is a day, without an instant of its own', async (t) => {
    for (const date of ['2026-02-01', '2024-02-29', '0001-01-01', '9999-12-31']) t.same(storedDueDate(date), { due_on: date, due_at: null })
  })

  t.test('null is neither', async (t) => {
    t.same(storedDueDate(null), { due_on: null, due_at: null })
  })

  t.test('a date-time is an instant in UTC with milliseconds', async (t) => {
    for (const [sent, stored] of [
      ['2026-02-01T18:00:00Z', '2026-02-01T18:00:00.000Z'],
      ['2026-02-01t18:00:00z', '2026-02-01T18:00:00.000Z'],
      ['2026-02-01T18:00:00.5+01:00', '2026-02-01T17:00:00.500Z'],
      ['2026-02-01T00:30:00+05:45', '2026-01-31T18:45:00.000Z'],
      ['2026-01-01T00:00:00-00:00', '2026-01-01T00:00:00.000Z'],
      ['2026-01-01T00:00:00.9999999Z', '2026-01-01T00:00:00.999Z'],
      ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
      ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
    ] as const)
      t.same(storedDueDate(sent), { due_on: null, due_at: stored }, sent)
  })

  t.test('any instant survives any offset, in capitals or not', async (t) => {
    const instants = fc.date({ min: new Date('0001-01-02T00:00:00Z'), max: new Date('9999-12-30T00:00:00Z'), noInvalidDate: true })
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(instants, fc.integer({ min: -1439, max: 1439 }), fc.boolean(), (instant, minutes, lower) => {
          const local = new Date(instant.getTime() + minutes * 60_000).toISOString().slice(0, -1)
          const offset = `${minutes < 0 ? '-' : '+'}${String(Math.floor(Math.abs(minutes) / 60)).padStart(2, '0')}:${String(Math.abs(minutes) % 60).padStart(2, '0')}`
          const text = local + offset
          return instantOf(lower ? text.toLowerCase() : text) === instant.toISOString()
        }),
      ),
    )
  })
})
