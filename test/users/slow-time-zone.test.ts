import { sql } from 'kysely'
import t from 'tap'
import { startApp } from '../support/app.ts'

t.test('updateMe: 200 with a time zone also when moving very many all-day tasks takes longer than a statement may', async (t) => {
  const { as, context, register } = await startApp(t)
  const ada = await register()
  await as(ada)('createTask', { body: { title: 'All day', dueDate: '2026-03-01' }, expect: 201 })
  // What 25,000 tasks would take.
  await sql`create function linger() returns trigger language plpgsql as 'begin perform pg_sleep(2.5); return new; end'`.execute(context.db)
  await sql`create trigger linger before update of due_at on tasks for each row execute function linger()`.execute(context.db)
  const { body } = await as(ada)('updateMe', { body: { timeZone: 'Europe/Berlin' }, expect: 200 })
  t.equal(body.timeZone, 'Europe/Berlin')
})
