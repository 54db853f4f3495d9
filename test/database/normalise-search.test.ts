import { sql } from 'kysely'
import t from 'tap'
import { migrateDown, migrateToLatest } from '../../src/database/migrate.ts'
import { startApp } from '../support/app.ts'

t.test('normalise-search: tasks from before it are found in any form, and go back with it', async (t) => {
  const { as, context, register } = await startApp(t)
  const ada = await register()
  const found = async (q: string) => (await as(ada)('listTasks', { query: { q }, expect: 200 })).body.items.length
  const { body: task } = await as(ada)('createTask', { body: { title: 'Fe\u0302te ΣΊΣΥΦΟΣ' }, expect: 201 })
  const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name desc`.execute(context.db)
  for (const { name } of rows) {
    await migrateDown(context.db)
    if (name.endsWith('normalise-search')) break
  }
  const words = async (q: string) => (await sql`select from tasks where search @@ search_query(${q})`.execute(context.db)).rows.length
  t.same([await words('Fe\u0302te'), await words('fête'), await words('σίσυφος')], [1, 0, 0])
  await migrateToLatest(context.db)
  t.same([await found('Fe\u0302te'), await found('fête'), await found('σίσυφος')], [1, 1, 1])
  t.same((await as(ada)('getTask', { params: { taskId: task.id }, expect: 200 })).body, task, 'and nothing else changes')
})
