import type pg from 'pg'
import t from 'tap'
import type { components } from '../../generated/client-api.ts'
import type { Database } from '../../src/database/database.ts'
import { type NamedStatement, runPreparedBy } from '../../src/database/prepared.ts'
import { sessionSettings } from '../../src/database/server.ts'
import { IndexReadingClient } from '../../src/database/utc-client.ts'
import { listTasks } from '../../src/tasks/listing.ts'
import { findUserByLogin } from '../../src/users/queries.ts'
import { createServerDatabase, EMBEDDED } from '../support/app.ts'

type Plan = { 'Node Type': string; 'Actual Rows': number; Filter?: string; Plans?: Plan[] }

const SORTS = ['createdAt', 'updatedAt', 'dueAt', 'priority', 'title'].flatMap((sort) => [sort, `-${sort}`]) as components['schemas']['TaskSort'][]
const [OWNER, LIST] = ['00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000001']

/** Users with a few tasks in one list, as most are, and one with thousands in many: what PostgreSQL knows of all together says nothing of them. */
async function addTasks(client: pg.Client): Promise<void> {
  await client.query('alter table tasks disable trigger user; alter table lists disable trigger user')
  const id = (n: string) => `('00000000-0000-7000-8000-' || lpad((${n})::text, 12, '0'))::uuid`
  await client.query(`
    insert into users (id, email, username, password_hash) select ${id('n')}, 'user' || n || '@docket.example', 'user' || n, '' from generate_series(1, 1000) n;
    insert into lists (owner_id, id, title) select ${id('n')}, ${id('n * 1000')}, 'List' from generate_series(2, 1000) n;
    insert into lists (owner_id, id, title) select '${OWNER}', ${id('n')}, 'List' from generate_series(1, 20) n;
    insert into tasks (owner_id, id, list_id, title, completed_at, priority, categories, due_at, created_at, updated_at)
    select owner_id, ${id('row_number() over ()')}, id, 'Task ' || n * 7919 % 1009, case when n % 3 = 0 then now() end, (array['low', 'medium', 'high'])[1 + n % 7 % 3]::task_priority, '{}',
      case when n % 5 > 0 then now() + n * 7919 % 1013 * interval '1 hour' end, now(), now() + n * 7919 % 1013 * interval '1 second'
    from lists, generate_series(1, 500) n where owner_id = '${OWNER}' or n <= 3;
    analyze`)
}

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

t.test(
  'the one plan of a listing, and of a login, reads what it shows and no more, whoever asks',
  { skip: EMBEDDED && 'no other plans' },
  async (t) => {
    const url = await createServerDatabase(t)
    const client = new IndexReadingClient(sessionSettings(url))
    await client.connect()
    t.teardown(() => client.end())
    await addTasks(client)
    const db = {} as Database
    let last: NamedStatement | undefined
    runPreparedBy(db, async (statement) => {
      // What is not pipelined has connections with other settings.
      if (statement.kind !== 'read') return []
      last = statement
      return (await client.query(statement)).rows
    })
    const explain = async () => {
      const { name, values } = last as NamedStatement
      const literals = values.map((value) => (value === null ? 'null' : client.escapeLiteral(String(value))))
      const { rows } = await client.query(`explain (analyze, format json) execute ${name}(${literals.join(', ')})`)
      return nodesOf(rows[0]['QUERY PLAN'][0].Plan as Plan)
    }

    for (const login of ['USER500', 'User500@docket.example']) {
      t.equal((await findUserByLogin(db, login))?.username, 'user500')
      t.same(
        (await explain()).map((node) => node['Node Type']),
        ['Index Scan'],
        login,
      )
    }

    for (const sort of SORTS)
      for (const completed of [undefined, true, false])
        for (const listId of [undefined, LIST]) {
          const what = JSON.stringify([sort, completed, listId])
          const listing = { ownerId: OWNER, sort, limit: 21, words: 'x', ...(completed !== undefined && { completed }), ...(listId && { listId }) }
          t.same(await listTasks(db, listing), [])
          const nodes = await explain()
          t.ok(Math.max(...nodes.map((node) => node['Actual Rows'])) <= 2500, `${what}: with words no more than the nearest are read`)
          t.notOk(/Sort|Bitmap|Seq/.test(JSON.stringify(nodes.map((node) => node['Node Type']))), `${what}: in their order`)
        }

    for (const sort of SORTS)
      for (const limit of [21, 51, 101])
        for (const completed of [undefined, true, false])
          for (const listId of [undefined, LIST]) {
            const listing = { ownerId: OWNER, sort, limit, ...(completed !== undefined && { completed }), ...(listId && { listId }) }
            const tenth = (await listTasks(db, listing))[9]
            const what = JSON.stringify([sort, limit, completed, listId])
            const first = await explain()
            const after = { key: tenth?.sort_key ?? null, id: tenth?.id as string }
            t.equal((await listTasks(db, { ...listing, after })).length, limit)
            for (const nodes of [first, await explain()]) {
              const kinds = new Set(nodes.map((node) => node['Node Type']))
              for (const kind of ['Limit', 'Index Scan', 'Merge Append']) kinds.delete(kind)
              t.same([...kinds], [], what)
              t.same(
                nodes.map(({ Filter }) => Filter).filter((filter) => filter !== undefined),
                [],
                `${what}: nothing is passed over`,
              )
              t.ok(Math.max(...nodes.map((node) => node['Actual Rows'])) <= limit, `${what}: no more than the page is read`)
            }
          }
  },
)
