import { sql } from 'kysely'
import pg from 'pg'
import { pino } from 'pino'
import t from 'tap'
import { openDatabase } from '../../src/database/client.ts'
import { prepared } from '../../src/database/prepared.ts'
import { PreparedQuery, type Statement } from '../../src/database/prepared-query.ts'
import { UtcClient } from '../../src/database/utc-client.ts'
import { createDatabase, testConfig } from '../support/app.ts'

const KINDS: Statement = {
  name: 'kinds',
  text: `select $1::text as text, $1::int as number, $1::int > 1 as flag, null::text as nothing, date '2026-01-31' as day, array['a', 'b c', 'd"'] as texts,
    timestamptz '2026-01-31 09:30:00.5+00' as instant, '{"a": [1]}'::jsonb as object from generate_series(1, $1::int)`,
  values: [2],
}

const rowOf = (number: number) => ({
  text: String(number),
  number,
  flag: number > 1,
  nothing: null,
  day: '2026-01-31',
  texts: ['a', 'b c', 'd"'],
  instant: '2026-01-31T09:30:00.500Z',
  object: { a: [1] },
})

for (const pipeline of [false, true]) {
  t.test(`PreparedQuery, ${pipeline ? 'in a pipeline' : 'one at a time'}`, async (t) => {
    const connectionString = await createDatabase(t)
    // The embedded database has none.
    if (connectionString === undefined) return
    const client = new UtcClient({ connectionString, pipeline })
    await client.connect()
    t.teardown(() => client.end())
    let descriptions = 0
    client.connection.on('rowDescription', () => descriptions++)
    const ask = (statement: Statement) =>
      new Promise<unknown[]>((resolve, reject) => {
        client.query(new PreparedQuery(statement, (error, rows) => (error ? reject(error) : resolve(rows))))
      })
    const describedBy = async (asking: () => Promise<unknown>) => {
      const before = descriptions
      await asking()
      return descriptions - before
    }

    await t.test('has its columns described once, and rows as they were described', async (t) => {
      t.equal(await describedBy(async () => t.same(await ask(KINDS), [rowOf(2), rowOf(2)])), 1)
      const later = () => Promise.all([1, 0, 3].map((number) => ask({ ...KINDS, values: [number] })))
      t.equal(await describedBy(async () => t.same(await later(), [[rowOf(1)], [], Array(3).fill(rowOf(3))])), 0)
    })

    await t.test('has them described each time without a name', async (t) => {
      const nameless = { text: 'select $1::int as number', values: [1] }
      t.equal(await describedBy(() => Promise.all([ask(nameless), ask(nameless)])), 2)
      t.same(await ask({ text: 'select $1::text as text', values: ['a'] }), [{ text: 'a' }])
    })

    await t.test('has none where it answers with no rows', async (t) => {
      const silent = { name: 'silent', text: 'set application_name = docket', values: [] }
      t.equal(await describedBy(async () => t.same([await ask(silent), await ask(silent)], [[], []])), 0)
    })

    await t.test('fails with what fails it, and others behind it succeed', async (t) => {
      const divide = { name: 'divide', text: 'select 1 / $1::int as part', values: [1] }
      t.same(await ask(divide), [{ part: 1 }])
      const answers = await Promise.allSettled([ask({ ...divide, values: [0] }), ask(divide)])
      t.match(answers, [
        { status: 'rejected', reason: { code: '22012' } },
        { status: 'fulfilled', value: [{ part: 1 }] },
      ])
    })

    await t.test('fails with what a value cannot be read by', async (t) => {
      const MACADDR = 829
      const parse = pg.types.getTypeParser(MACADDR as never)
      t.teardown(() => pg.types.setTypeParser(MACADDR as never, parse))
      pg.types.setTypeParser(MACADDR as never, () => {
        throw new TypeError('unreadable')
      })
      const address = { name: 'address', text: "select macaddr '08:00:2b:01:02:03' as address", values: [] }
      for (let time = 0; time < 2; time++) await t.rejects(ask(address), new TypeError('unreadable'))
      t.same(await ask({ ...KINDS, values: [1] }), [rowOf(1)])
    })
  })
}

t.test('a prepared statement that fails tells who asked', async (t) => {
  const url = await createDatabase(t)
  if (url === undefined) return
  const { database } = testConfig(url, {})
  const connection = await openDatabase(database, pino({ level: 'silent' }))
  t.teardown(() => connection.close())
  const statements = {
    read: prepared((db) => db.selectNoFrom(sql`1 / 0`.as('nothing'))),
    slow: prepared((db) => db.selectNoFrom(sql`1 / 0`.as('nothing')), { slow: true }),
    write: prepared(() => sql`select 1 / 0`),
  }
  for (const [kind, statement] of Object.entries(statements)) {
    const askingForNothing = async () => {
      await statement.all(connection.db, {})
    }
    for (let time = 0; time < 2; time++) await t.rejects(askingForNothing(), { code: '22012', stack: /askingForNothing/ }, kind)
  }
})
