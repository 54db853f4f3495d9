import { sql } from 'kysely'
import t, { type Test } from 'tap'
import type { Database } from '../../src/database/database.ts'
import { migrateDown, migrateToLatest } from '../../src/database/migrate.ts'
import { startApp } from '../support/app.ts'

/** Takes a migration back, and all that came after it. */
async function goBackBefore(db: Database, migration: string): Promise<void> {
  const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name desc`.execute(db)
  for (const { name } of rows) {
    await migrateDown(db)
    if (name.endsWith(migration)) return
  }
}

/** A task, and how many searches find it. */
async function startWithTask(t: Test, title: string) {
  const { as, context, register } = await startApp(t)
  const { db } = context
  const ada = await register()
  const { body: task } = await as(ada)('createTask', { body: { title }, expect: 201 })
  return {
    db,
    ada: as(ada),
    words: async (q: string) => (await sql`select from tasks where search @@ search_query(${q})`.execute(db)).rows.length,
    found: async (q: string) => (await as(ada)('listTasks', { query: { q }, expect: 200 })).body.items.length,
    expectUnchanged: async () => {
      t.same((await as(ada)('getTask', { params: { taskId: task.id }, expect: 200 })).body, task, 'nothing else changes')
    },
  }
}

t.test('normalise-search: tasks from before it are found in any form, and go back with it', async (t) => {
  const { db, words, found, expectUnchanged } = await startWithTask(t, 'Fe\u0302te ΣΊΣΥΦΟΣ')
  await goBackBefore(db, 'normalise-search')
  t.same([await words('Fe\u0302te'), await words('fête'), await words('σίσυφος')], [1, 0, 0])
  await migrateToLatest(db)
  t.same([await found('Fe\u0302te'), await found('fête'), await found('σίσυφος')], [1, 1, 1])
  await expectUnchanged()
})

t.test('part-words-at-typographic-punctuation: tasks from before it are found by their words, and go back with it; nobody is told', async (t) => {
  const { db, ada, words, found, expectUnchanged } = await startWithTask(t, 'Buy milk «bre\u00adad»')
  await ada('createWebhook', { body: { url: 'https://hooks.example.com', events: ['task.updated'] }, expect: 201 })
  const changes = (await ada('listChanges', { expect: 200 })).body
  await goBackBefore(db, 'part-words-at-typographic-punctuation')
  t.same([await words('buy'), await words('bread')], [1, 0])
  await migrateToLatest(db)
  t.same([await found('buy'), await found('bread'), await found('milk «bread»')], [1, 1, 1])
  await expectUnchanged()
  t.same((await ada('listChanges', { expect: 200 })).body, changes)
  t.same(await db.selectFrom('webhook_deliveries').select('id').execute(), [])
  await ada('createTask', { body: { title: 'x' }, expect: 201 })
  const { items } = (await ada('listChanges', { query: { cursor: changes.nextCursor }, expect: 200 })).body
  t.ok(
    items.some(({ type }) => type === 'task.created'),
    'what comes then is told again',
  )
})
