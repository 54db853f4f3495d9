import { type Compilable, CompiledQuery, sql } from 'kysely'
import pg from 'pg'
import { pino } from 'pino'
import t from 'tap'
import { openDatabase } from '../../src/database/client.ts'
import { databaseFault } from '../../src/database/errors.ts'
import { prepared } from '../../src/database/prepared.ts'
import { findList } from '../../src/lists/queries.ts'
import { listTasks } from '../../src/tasks/listing.ts'
import { findTask, updateTask } from '../../src/tasks/queries.ts'
import { until } from '../faults/cluster.ts'
import { createServerDatabase, EMBEDDED, type Person, startApp, type TestApp, testConfig } from '../support/app.ts'

const ID = '00000000-0000-7000-8000-000000000000'

t.test('a pipeline on which the preparation of a statement fails', { skip: EMBEDDED && 'no pipelines' }, async (t) => {
  const { context } = await startApp(t, { DATABASE_POOL_SIZE: '1', DATABASE_PIPELINES: '1' })
  const { db } = context
  const read = () => findTask(db, ID, ID)
  // Until it is connected the pool's only connection stands in, which is the one that asks here.
  const isConnected = async () => {
    await findList(db, ID, ID)
    const { rows } = await sql`
      select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and query like '%from "lists"%'`.execute(db)
    return rows.length > 0
  }
  await until('connected', isConnected)

  await t.test('what was sent behind it may be tried again', async (t) => {
    const reads = await db.transaction().execute(async (trx) => {
      await sql`lock table tasks in access exclusive mode`.execute(trx)
      return Promise.allSettled([read(), read(), read()])
    })
    const codes = reads.map((read) => (read.status === 'rejected' ? read.reason.code : 'found'))
    t.same(codes, ['55P03', '26000', '26000'], 'the others go by the name that the first was to make')
    for (const read of reads) t.same(databaseFault((read as PromiseRejectedResult).reason), { kind: 'unavailable' })
  })

  await t.test('and then succeeds', async (t) => {
    t.equal(await read(), undefined)
  })
})

t.test('a listing with a filter, which may take long, holds up no other read', { skip: EMBEDDED && 'no pipelines' }, async (t) => {
  const url = await createServerDatabase(t)
  const settings = testConfig(url, { DATABASE_POOL_SIZE: '2', DATABASE_PIPELINES: '1' })
  const connection = await openDatabase(settings.database, pino({ level: 'silent' }))
  t.teardown(() => connection.close())
  const { db } = connection
  await until('connected', async () => {
    await findList(db, ID, ID)
    return connection.connections().some(({ name, open }) => name === 'pipelines' && open === 1)
  })
  let listed = false
  const listing = await db.transaction().execute(async (trx) => {
    await sql`lock table tasks in access exclusive mode`.execute(trx)
    const waiting = listTasks(db, { ownerId: ID, priorities: ['high'], sort: 'title', limit: 21 }).finally(() => {
      listed = true
    })
    t.equal(await findList(db, ID, ID), undefined)
    t.notOk(listed, 'which still waits')
    return { waiting }
  })
  t.same(await listing.waiting, [])
})

t.test('what is asked for in one turn of the event loop', { skip: EMBEDDED && 'no pipelines' }, async (t) => {
  const url = await createServerDatabase(t)
  const settings = testConfig(url, { DATABASE_POOL_SIZE: '2', DATABASE_PIPELINES: '2' })
  const connection = await openDatabase(settings.database, pino({ level: 'silent' }))
  t.teardown(() => connection.close())
  const { db } = connection
  const read = prepared((db) => db.selectNoFrom(sql<number>`pg_backend_pid()`.as('pid')))
  const write = prepared(() => sql<{ pid: number }>`select pg_backend_pid() as pid`)
  const pidsOf = async (statement: typeof read, times: number) => {
    const rows = await Promise.all(Array.from({ length: times }, () => statement.first(db, {})))
    return rows.map((row) => row?.pid)
  }
  await until('connected', async () => {
    await Promise.all([pidsOf(read, 17), pidsOf(write, 2)])
    return connection.connections().every(({ name, open }) => !['pipelines', 'writers'].includes(name) || open === 2)
  })

  await t.test('leaves together where it is read', async (t) => {
    // Again, for a process that got no core in between has sent the rest elsewhere.
    await t.resolves(until('on one connection', async () => new Set(await pidsOf(read, 17)).size === 1))
  })

  await t.test('leaves on a connection each where it is written, since each waits for its commit', async (t) => {
    t.equal(new Set(await pidsOf(write, 2)).size, 2)
  })
})

t.test('a read that takes its time does not hold up those that come later', { skip: EMBEDDED && 'no pipelines' }, async (t) => {
  const url = await createServerDatabase(t)
  // The pool's only connection holds the lock: no read can go through the pool.
  const connection = await openDatabase(testConfig(url, { DATABASE_POOL_SIZE: '1', DATABASE_PIPELINES: '2' }).database, pino({ level: 'silent' }))
  t.teardown(() => connection.close())
  const { db } = connection
  await until('connected', async () => {
    await Promise.all([findList(db, ID, ID), findList(db, ID, ID)])
    return connection.connections().some(({ name, open }) => name === 'pipelines' && open === 2)
  })
  let answered = 0
  const reads = await db.transaction().execute(async (trx) => {
    await sql`lock table tasks in access exclusive mode`.execute(trx)
    const reads: Promise<unknown>[] = [findTask(db, ID, ID)]
    await until('others are answered', () => {
      reads.push(findList(db, ID, ID).then(() => (answered += 1)))
      return answered > 0
    })
    return reads
  })
  await t.resolves(Promise.all(reads), 'the one as well, which waited for no more than it may')
})

t.test('single writes that share a connection', { skip: EMBEDDED && 'no pipelines' }, async (t) => {
  const url = await createServerDatabase(t)
  const app = await startApp(t, {}, url)
  const connection = await openDatabase(testConfig(url, { DATABASE_POOL_SIZE: '1' }).database, pino({ level: 'silent' }))
  t.teardown(() => connection.close())
  const { db } = connection
  const stateOf = (name: string) => connection.connections().find((each) => each.name === name)
  const [ada, grace] = [await app.register(), await app.register()]
  const adas = await taskOf(app, ada)
  const graces = await taskOf(app, grace)
  const rename = (owner: Person, id: string, title: string) => updateTask(db, owner.id, id, { title }, undefined)
  await until('connected', async () => {
    await rename(ada, ID, 'Nobody')
    return stateOf('writers')?.open === 1
  })
  const other = new pg.Client({ connectionString: url })
  await other.connect()
  t.teardown(() => other.end())

  await t.test('one that waits for a lock goes on alone, and holds up no other', async (t) => {
    await other.query('begin')
    await other.query('select from tasks where id = $1 for update', [adas])
    // With two of them the time of all would be up, if they waited as long as on a connection of their own.
    const waiting = [rename(ada, adas, 'Waited'), rename(ada, adas, 'Waited')]
    t.equal((await rename(grace, graces, 'Passed by'))?.title, 'Passed by')
    await until('on a connection of its own', () => stateOf('main')?.idle === 0 && stateOf('writers')?.idle === 1)
    await other.query('commit')
    t.same((await Promise.all(waiting)).map((task) => task?.version).sort(), [2, 3])
  })

  await t.test('all that go by the name of a statement that could not be prepared for a lock go on alone, and are done once', async (t) => {
    await other.query('begin')
    await other.query('lock table tasks in access exclusive mode')
    const writes = Promise.all([1, 2, 3].map(() => updateTask(db, ada.id, adas, { priority: 'high', time_zone: 'Asia/Tokyo' }, undefined)))
    await until('on the pool', () => stateOf('main')?.waiting === 2 && stateOf('writers')?.idle === 1)
    await other.query('commit')
    t.same((await writes).map((task) => task?.version).sort(), [4, 5, 6])
  })

  await t.test('one whose statement the connection has by now, though pg does not know, goes on alone', async (t) => {
    // Three statements with names that follow one another, of which the second takes that of the third.
    const look = prepared<object, { last: number; taken: boolean }>(() =>
      raw(`select max(substring(name from '\\d+')::integer) as last, bool_or(from_sql) as taken from pg_prepared_statements`),
    )
    let name = ''
    const take = prepared<object, never>(() => raw(`prepare ${name} as select 1`))
    const change = prepared((compiler, value: { id: string }) =>
      compiler.updateTable('tasks').set({ title: 'Taken' }).where('owner_id', '=', grace.id).where('id', '=', value.id).returning('title'),
    )
    const { last = 0 } = (await look.first(db, {})) ?? {}
    name = `docket_${last + 2}_0`
    await take.all(db, {})
    t.same(await change.first(db, { id: graces }), { title: 'Taken' })
    t.same(await look.first(db, {}), { last: last + 2, taken: true })
  })

  await t.test('one that fails at its commit is not answered before, and the one behind it is done', async (t) => {
    await other.query(`
      create function refuse() returns trigger language plpgsql as $$ begin raise exception 'too late' using errcode = '23514'; end $$;
      create constraint trigger refuse after update on tasks deferrable initially deferred for each row when (new.title = 'Refused') execute function refuse()`)
    const [refused, done] = await Promise.allSettled([rename(ada, adas, 'Refused'), rename(grace, graces, 'Behind')])
    t.match(refused, { status: 'rejected', reason: { message: 'too late' } })
    t.match(done, { status: 'fulfilled', value: { title: 'Behind' } })
    t.match(await findTask(db, ada.id, adas), { title: 'Waited', version: 6 })
  })
})

/** Sent as a write, since it is no query that Kysely has built. */
const raw = <Row>(statement: string): Compilable<Row> => ({ compile: () => CompiledQuery.raw(statement) as CompiledQuery<Row> })

async function taskOf(app: TestApp, owner: Person): Promise<string> {
  return (await app.as(owner)('createTask', { body: { title: 'Task' }, expect: 201 })).body.id
}
