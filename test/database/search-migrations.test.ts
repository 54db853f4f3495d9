import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { migrateDown, migrateToLatest } from '../../src/database/migrate.ts'
import { startApp } from '../support/app.ts'

/** Whether a task is found before a migration, and after it. */
async function foundAround(t: Test, migration: string, title: string, searches: readonly string[]): Promise<{ before: number[]; after: number[] }> {
  const { as, context, register } = await startApp(t)
  const { db } = context
  const ada = await register()
  const { body: task } = await as(ada)('createTask', { body: { title }, expect: 201 })
  const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name desc`.execute(db)
  for (const { name } of rows) {
    await migrateDown(db)
    if (name.endsWith(migration)) break
  }
  const before: number[] = []
  for (const q of searches) before.push((await sql`select from tasks where search @@ search_query(${q})`.execute(db)).rows.length)
  await migrateToLatest(db)
  const after: number[] = []
  for (const q of searches) after.push((await as(ada)('listTasks', { query: { q }, expect: 200 })).body.items.length)
  t.same((await as(ada)('getTask', { params: { taskId: task.id }, expect: 200 })).body, task, 'nothing else changes')
  return { before, after }
}

t.test('normalise-search: tasks from before it are found in any form, and go back with it', async (t) => {
  const found = await foundAround(t, 'normalise-search', 'Fe\u0302te ΣΊΣΥΦΟΣ', ['Fe\u0302te', 'fête', 'σίσυφος'])
  t.same(found, { before: [1, 0, 0], after: [1, 1, 1] })
})

t.test('part-words-at-any-punctuation: tasks from before it are found by their words, and go back with it', async (t) => {
  const found = await foundAround(t, 'part-words-at-any-punctuation', 'Buy milk «bre\u00adad»', ['buy', 'bread', 'milk «bread»'])
  t.same(found.after, [1, 1, 1])
  t.same(found.before.slice(0, 2), [1, 0])
})
