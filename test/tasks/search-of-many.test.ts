import { sql } from 'kysely'
import t from 'tap'
import type { components, operations } from '../../generated/client-api.ts'
import type { Database } from '../../src/database/database.ts'
import { startApp } from '../support/app.ts'

type Query = NonNullable<operations['listTasks']['parameters']['query']>

const SORTS = ['createdAt', 'updatedAt', 'dueAt', 'priority', 'title'].flatMap((sort) => [sort, `-${sort}`]) as components['schemas']['TaskSort'][]

/** 2,700 tasks of a user, half of them in a list, in another sequence in every order. What is searched for are their categories. */
async function addTasks(db: Database, ownerId: string, listId: string): Promise<void> {
  await sql`
    insert into tasks (owner_id, id, list_id, title, completed_at, priority, categories, due_at, created_at, updated_at)
    select owner_id, (left(owner_id::text, 14) || '7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, case when n % 4 < 2 then id else ${listId}::uuid end,
      'Task ' || n * 7919 % 1009, case when n % 3 = 0 then now() end, (array['low', 'medium', 'high'])[1 + n % 7 % 3]::task_priority,
      array[case when n % 2 = 0 then 'even' else 'odd' end] || case when n % 89 = 0 then array['rare'] when n <= 10 then array['first'] else '{}' end,
      case when n % 5 > 0 then now() + n * 7919 % 1013 * interval '1 hour' end, now(), now() + n * 7919 % 1013 * interval '1 second'
    from lists, generate_series(1, 2700) n where owner_id = ${ownerId} and inbox`.execute(db)
}

t.test('listTasks and listListTasks: 200 with q among thousands of tasks: the same as by category', async (t) => {
  const { as, context, register } = await startApp(t)
  const ada = await register()
  const { body: list } = await as(ada)('createList', { body: { title: 'Half of them' }, expect: 201 })
  await addTasks(context.patientDb, ada.id, list.id)

  /** The ids of the first pages, three at most. */
  const pages = async (query: Query, listId?: string) => {
    const found: string[][] = []
    let cursor: string | null = null
    do {
      const asked: Query = { ...query, ...(cursor !== null && { cursor }) }
      const { body }: { body: components['schemas']['TaskPage'] } =
        listId === undefined
          ? await as(ada)('listTasks', { query: asked, expect: 200 })
          : await as(ada)('listListTasks', { params: { listId }, query: asked, expect: 200 })
      found.push(body.items.map(({ id }) => id))
      cursor = body.nextCursor
    } while (cursor !== null && found.length < 3)
    return found
  }

  for (const [q, category, filters] of [
    ['rare', 'rare', {}],
    ['fir', 'first', {}],
    ['even', 'even', {}],
    ['-even', 'odd', {}],
    ['rar', 'rare', { priority: ['low', 'high'], hasDueDate: true }],
  ] as const)
    await t.test(q, async (t) => {
      for (const sort of SORTS)
        for (const completed of [undefined, true, false])
          for (const listId of [undefined, list.id]) {
            const query: Query = { sort, limit: 20, ...(completed !== undefined && { completed }), ...(filters as Query) }
            t.same(
              await pages({ ...query, q }, listId),
              await pages({ ...query, category: [category] }, listId),
              JSON.stringify([sort, completed, listId]),
            )
          }
    })

  t.test('but not those of another owner whose words have the same key', async (t) => {
    const { id } = ada
    const other = `00000000${id.slice(8)}`
    await sql`insert into users (id, email, username, password_hash) values (${other}, 'other@docket.example', 'other', '')`.execute(context.db)
    await sql`insert into lists (owner_id, id, title, inbox) values (${other}, ${other}, 'Inbox', true)`.execute(context.db)
    await sql`insert into tasks (owner_id, id, list_id, title, priority, categories, created_at, updated_at)
      values (${other}, ${other}, ${other}, 'Theirs', 'low', '{}', now(), now())`.execute(context.db)
    const { rows } = await sql<{ id: string }>`
      select id from tasks where owned_words(owner_id, search) @@ owned_query(${id}, 'theirs')`.execute(context.db)
    t.same(rows, [{ id: other }], 'the index finds it')
    t.same(await pages({ q: 'theirs' }), [[]])
  })

  t.test('and words as long as they may be', async (t) => {
    // The longest that PostgreSQL takes has 2046 bytes, and some characters are written with several letters.
    const longest = 'x'.repeat(2046)
    const create = async (description: string) => (await as(ada)('createTask', { body: { title: 'Long', description }, expect: 201 })).body.id
    const one = await create(`${longest} ${'㍍'.repeat(100)} end`)
    const many = await create(`${Array.from({ length: 2000 }, (_, n) => `${n % 700}`).join(' ')} the end`)
    t.same(await pages({ q: 'x'.repeat(255) }), [[one]])
    t.same(await pages({ q: '㍍'.repeat(100) }), [[one]])
    for (const count of [112, 113, 114, 170, 255]) t.same(await pages({ q: '㍍'.repeat(count) }), [[]], `${count}`)
    t.same(await pages({ q: '"699 0 1 2" "the end"' }), [[many]])
    t.same(await pages({ q: '"699 1"' }), [[]])
  })
})
