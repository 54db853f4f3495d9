import { once } from 'node:events'
import pg from 'pg'
import t from 'tap'
import { UtcClient } from '../../src/database/utc-client.ts'
import { createServerDatabase, EMBEDDED } from '../support/app.ts'

t.test('UtcClient', { skip: EMBEDDED && 'no connections' }, async (t) => {
  const connectionString = await createServerDatabase(t)
  const client = new UtcClient({ connectionString })
  await client.connect()
  t.teardown(() => client.end())
  const text = 'select $1::int + 1 as sum'

  t.test('answers a text and an object', async (t) => {
    t.same((await client.query(text, [1])).rows, [{ sum: 2 }])
    t.same((await client.query({ text, values: [2] })).rows, [{ sum: 3 }])
    t.same((await client.query("select current_setting('TimeZone') as zone")).rows, [{ zone: 'UTC' }])
  })

  t.test('tells who asked for what failed', async (t) => {
    const askingForNothing = async () => {
      await client.query('select nothing')
    }
    await t.rejects(askingForNothing(), { code: '42703', stack: /askingForNothing/ })
  })

  t.test('calls back, wherever the callback is', async (t) => {
    const answers = [
      await new Promise((resolve) => client.query(text, [1], (_error, { rows }) => resolve(rows))),
      await new Promise((resolve) => client.query({ text, values: [1] }, (_error, { rows }) => resolve(rows))),
      await new Promise((resolve) => {
        const callback = (_error: unknown, { rows }: pg.QueryResult) => resolve(rows)
        void client.query(Object.assign({ text, values: [1] }, { callback }))
      }),
    ]
    t.same(answers, Array(3).fill([{ sum: 2 }]))
  })

  t.test('leaves a query that reads its rows itself to pg', async (t) => {
    const query = new pg.Query('select 1')
    t.equal(client.query(query), query)
    await once(query, 'end')
  })
})
