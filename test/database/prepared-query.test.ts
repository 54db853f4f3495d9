import { type RawBuilder, sql } from 'kysely'
import pg from 'pg'
import { pino } from 'pino'
import t from 'tap'
import { openDatabase } from '../../src/database/client.ts'
import type { Database } from '../../src/database/database.ts'
import { prepared } from '../../src/database/prepared.ts'
import { PreparedQuery, type Statement } from '../../src/database/prepared-query.ts'
import { UtcClient } from '../../src/database/utc-client.ts'
import { until } from '../faults/cluster.ts'
import { createServerDatabase, EMBEDDED, testConfig } from '../support/app.ts'

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
  t.test(`PreparedQuery, ${pipeline ? 'in a pipeline' : 'one at a time'}`, { skip: EMBEDDED && 'no connections' }, async (t) => {
    const connectionString = await createServerDatabase(t)
    const connect = async () => {
      const client = new UtcClient({ connectionString, pipeline })
      await client.connect()
      t.teardown(() => client.end())
      let descriptions = 0
      client.connection.on('rowDescription', () => descriptions++)
      const ask = (statement: Statement) =>
        new Promise<unknown[]>((resolve, reject) => {
          client.query(new PreparedQuery(statement, (error, rows) => (error ? reject(error) : resolve(rows))))
        })
      /** What each is answered with; all are sent before the first answer where that can be. */
      const askAll = async (...statements: Statement[]) => {
        if (pipeline) return Promise.allSettled(statements.map(ask))
        const answers: PromiseSettledResult<unknown[]>[] = []
        for (const statement of statements) answers.push(...(await Promise.allSettled([ask(statement)])))
        return answers
      }
      const describedBy = async (asking: () => Promise<unknown>) => {
        const before = descriptions
        await asking()
        return descriptions - before
      }
      return { ask, askAll, describedBy }
    }
    const { ask, askAll, describedBy } = await connect()
    const answer = (value: unknown[]) => ({ status: 'fulfilled', value })

    await t.test('has its columns described once, and rows as they were described', async (t) => {
      t.equal(await describedBy(async () => t.strictSame(await ask(KINDS), [rowOf(2), rowOf(2)])), 1)
      const later = () => askAll(...[1, 0, 3].map((number) => ({ ...KINDS, values: [number] })))
      t.equal(await describedBy(async () => t.strictSame(await later(), [[rowOf(1)], [], Array(3).fill(rowOf(3))].map(answer))), 0)
    })

    await t.test('takes columns by whatever name', async (t) => {
      const name = `a"b'c\\d\${e}\n\u2028/*\`]`
      const named = { name: 'named', text: `select 1 as "${name.replaceAll('"', '""')}"`, values: [] }
      t.strictSame(await askAll(named, named), Array(2).fill(answer([{ [name]: 1 }])))
    })

    await t.test('has them described on each connection', async (t) => {
      const other = await connect()
      t.equal(await other.describedBy(() => other.ask(KINDS)), 1)
    })

    await t.test('has them described each time without a name', async (t) => {
      const nameless = { text: 'select $1::int as number', values: [1] }
      t.equal(await describedBy(() => askAll(nameless, nameless)), 2)
      t.strictSame(await ask({ text: 'select $1::text as text', values: ['a'] }), [{ text: 'a' }])
    })

    await t.test('is refused by PostgreSQL when they have changed, and has others under another name', async (t) => {
      await ask({ text: 'create table kept (value int)', values: [] })
      await ask({ text: 'insert into kept values (1)', values: [] })
      const kept = { name: 'kept_0', text: 'select value from kept', values: [] }
      t.strictSame(await askAll(kept, kept), Array(2).fill(answer([{ value: 1 }])))
      await ask({ text: 'alter table kept alter column value type text', values: [] })
      await t.rejects(ask(kept), { code: '0A000', routine: 'RevalidateCachedQuery' })
      const anew = { ...kept, name: 'kept_1' }
      t.strictSame(await askAll(anew, anew), Array(2).fill(answer([{ value: '1' }])))
    })

    await t.test('has none where it answers with no rows', async (t) => {
      const silent = { name: 'silent', text: 'set application_name = docket', values: [] }
      t.equal(await describedBy(async () => t.strictSame([await ask(silent), await ask(silent)], [[], []])), 0)
    })

    await t.test('fails with what fails it, also after some rows, and others behind it succeed', async (t) => {
      const divide = { name: 'divide', text: 'select 6 / ($1::int - n) as part from generate_series(1, 3) as n', values: [4] }
      const parts = answer([{ part: 2 }, { part: 3 }, { part: 6 }])
      t.strictSame(await askAll(divide), [parts])
      const [failed, behind] = await askAll({ ...divide, values: [3] }, divide)
      t.match(failed, { status: 'rejected', reason: { code: '22012' } })
      t.strictSame(behind, parts)
    })

    await t.test('fails with the first value that cannot be read', async (t) => {
      const MACADDR = 829
      const parse = pg.types.getTypeParser(MACADDR as never)
      t.teardown(() => pg.types.setTypeParser(MACADDR as never, parse))
      pg.types.setTypeParser(MACADDR as never, (text: string) => {
        throw new TypeError(text)
      })
      // How a column is read is kept by its name and type.
      const text = `select macaddr '08:00:2b:01:02:00' as "address ${pipeline}" union all select '08:00:2b:01:02:01'`
      const address = { name: 'address', text, values: [] }
      for (let time = 0; time < 2; time++) await t.rejects(ask(address), new TypeError('08:00:2b:01:02:00'))
      t.strictSame(await ask({ ...KINDS, values: [1] }), [rowOf(1)])
    })
  })
}

t.test('prepared statements', { skip: EMBEDDED && 'no connections' }, async (t) => {
  const url = await createServerDatabase(t)
  const connection = await openDatabase(testConfig(url, {}).database, pino({ level: 'silent' }))
  t.teardown(() => connection.close())
  const { db } = connection
  const statementsOf = (expression: RawBuilder<unknown>) => {
    const build = (db: Database) => db.selectFrom(sql`kept`.as('kept')).select(expression.as('value'))
    return { read: prepared(build), slow: prepared(build, { slow: true }), write: prepared(() => sql`select ${expression} as value from kept`) }
  }
  await sql`create table kept (value int)`.execute(db)
  await sql`insert into kept values (1)`.execute(db)
  const values = statementsOf(sql`value`)
  await until('connected', async () => {
    await Promise.all([values.read, values.write].flatMap((statement) => Array.from({ length: 100 }, () => statement.all(db, {}))))
    return connection.connections().every(({ name, open, most }) => !['pipelines', 'writers'].includes(name) || open === most)
  })

  await t.test('tell who asked for what failed, also when a migration came before', async (t) => {
    const types = { read: 'bigint', slow: 'numeric', write: 'float8' }
    for (const [kind, statement] of Object.entries(statementsOf(sql`6 / value`))) {
      const askingForNothing = async () => {
        await statement.all(db, {})
      }
      await sql`update kept set value = 2`.execute(db)
      for (let time = 0; time < 20; time++) await askingForNothing()
      await sql`update kept set value = 0`.execute(db)
      await t.rejects(askingForNothing(), { code: '22012', stack: /askingForNothing/ }, kind)
      await sql`alter table kept alter column value type ${sql.raw(types[kind as keyof typeof types])}`.execute(db)
      await t.rejects(askingForNothing(), { code: '22012', stack: /askingForNothing/ }, `${kind}, after a migration`)
    }
  })

  await t.test('have the columns that a migration gave them', async (t) => {
    for (const [type, expected] of [
      ['int', 1],
      ['text', '1'],
    ] as const) {
      await sql`alter table kept alter column value type ${sql.raw(type)} using '1'::${sql.raw(type)}`.execute(db)
      for (const [kind, statement] of Object.entries(values))
        for (let time = 0; time < 20; time++) t.strictSame(await statement.all(db, {}), [{ value: expected }], `${kind} as ${type}`)
    }
  })
})
