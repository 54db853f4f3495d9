import { sql } from 'kysely'
import t from 'tap'
import { startApp } from '../support/app.ts'

t.test('prepared statements', async (t) => {
  for (const [setting, value] of [
    ['DATABASE_PIPELINES', '2'],
    ['DATABASE_PIPELINES', '0'],
    ['DATABASE_PREPARED_STATEMENTS', 'false'],
  ] as const) {
    t.test(`getTask and createTask: go on when a migration changes the columns of a kept plan, ${setting}=${value}`, async (t) => {
      const { as, context, register } = await startApp(t, { [setting]: value })
      const ada = await register()
      const create = async () => (await as(ada)('createTask', { body: { title: 'Milk' }, expect: 201 })).body.id
      const taskId = await create()
      const read = () => Promise.all(Array.from({ length: 12 }, () => as(ada)('getTask', { params: { taskId }, expect: 200 })))
      await read()
      for (const type of ['timestamptz(6)', 'timestamptz(3)']) {
        await sql`alter table tasks alter column created_at type ${sql.raw(type)}`.execute(context.db)
        await read()
        await create()
        await read()
      }
    })
  }
})
