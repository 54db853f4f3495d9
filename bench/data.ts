import pg from 'pg'

/** How much there is. Every user has `lists` lists besides the inbox, each with `tasks` tasks; those of `sizes` have all of theirs in one list. */
export type Size = Readonly<{ users: number; lists: number; tasks: number; sizes: readonly number[] }>

export const FULL: Size = { users: 1000, lists: 10, tasks: 100, sizes: [100, 1000, 10_000, 100_000] }
export const SMALL: Size = { users: 20, lists: 2, tasks: 30, sizes: [30, 600] }

export const nameOf = (user: number) => `user${user}`
export const nameOfSize = (tasks: number) => `tasks${tasks}`

/** In one of a hundred titles, so that a search for it in 100,000 tasks finds 1,000. */
export const RARE_WORD = 'harbour'

const WORDS = [
  'call',
  'write',
  'order',
  'clean',
  'review',
  'plan',
  'repair',
  'buy',
  'invoice',
  'garden',
  'report',
  'letter',
  'bicycle',
  'kitchen',
  'window',
]

/**
 * Fills an empty, migrated database of PostgreSQL 18. What triggers would do for each row, counting and logging, is done here for all at once, and the
 * indexes are made last: a minute or two instead of an hour.
 */
export async function loadData(url: string, size: Size, passwordHash: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('select setseed(0.5)')
    const indexes = await client.query<{ name: string; definition: string }>(
      `select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition from pg_index i
       where i.indrelid = 'tasks'::regclass and not i.indisunique`,
    )
    for (const { name } of indexes.rows) await client.query(`drop index ${name}`)
    await client.query('alter table tasks disable trigger user')
    await client.query('alter table tasks enable trigger tasks_derive')
    await client.query('alter table lists disable trigger user')

    await client.query(
      `insert into users (id, email, username, password_hash)
       select uuidv7(), name || '@docket.example', name, $1
       from (select 'user' || n as name from generate_series(1, $2::int) n union all select 'tasks' || n from unnest($3::int[]) n) names`,
      [passwordHash, size.users, size.sizes],
    )
    await client.query(`insert into lists (owner_id, id, title, inbox) select id, uuidv7(), 'Inbox', true from users`)
    await client.query(
      `insert into lists (owner_id, id, title)
       select id, uuidv7(), 'List ' || n from users, generate_series(1, case when username like 'user%' then $1::int else 1 end) n`,
      [size.lists],
    )
    await client.query(
      `insert into tasks (owner_id, id, list_id, title, description, completed_at, priority, categories, due_at, created_at, updated_at)
       select owner_id, uuidv7(created_at - clock_timestamp()), list_id,
         (case when random() < 0.01 then '${RARE_WORD} ' else '' end) || words[1 + floor(random() * 15)::int] || ' the ' || words[1 + floor(random() * 15)::int] || ' ' || n,
         case when random() < 0.5 then 'About ' || words[1 + floor(random() * 15)::int] || ' and ' || words[1 + floor(random() * 15)::int] || ', before the end of the week' end,
         case when random() < 0.3 then created_at + interval '1 day' end,
         (array['low', 'medium', 'medium', 'high'])[1 + floor(random() * 4)::int]::task_priority,
         case when random() < 0.2 then array['home'] when random() < 0.2 then array['work', 'urgent'] else '{}'::text[] end,
         case when random() < 0.4 then date_trunc('hour', created_at + random() * interval '60 days') end,
         created_at, created_at
       from (
         select l.owner_id, l.id as list_id, n, date_trunc('milliseconds', clock_timestamp()) - interval '200 days' + n * interval '100 seconds' as created_at, $2::text[] as words
         from lists l join users u on u.id = l.owner_id,
           generate_series(1, case when u.username like 'user%' then $1::int else substr(u.username, 6)::int end) n
         where not l.inbox
       ) planned`,
      [size.tasks, WORDS],
    )

    await client.query(
      `update lists l set open_tasks = c.open, completed_tasks = c.completed from
         (select owner_id, list_id, count(*) filter (where not completed) as open, count(*) filter (where completed) as completed from tasks group by 1, 2) c
       where c.owner_id = l.owner_id and c.list_id = l.id`,
    )
    await client.query(
      `insert into categories (owner_id, name, open_tasks, completed_tasks)
       select owner_id, name, count(*) filter (where not completed), count(*) filter (where completed) from tasks, unnest(categories) name group by 1, 2`,
    )
    await client.query('alter table changes disable trigger user')
    await client.query(
      `insert into changes (owner_id, sequence, type, resource_id, version, state, actor_id, occurred_at)
       select owner_id, row_number() over (partition by owner_id order by id), type, id, 1, state, owner_id, created_at from (
         select owner_id, id, 'list.created'::change_type as type, to_json(lists) as state, created_at - interval '1 year' as created_at from lists
         union all
         select owner_id, id, 'task.created', json_build_object('id', id, 'list_id', list_id, 'title', title, 'description', description,
           'completed_at', completed_at, 'priority', priority, 'categories', categories, 'due_on', due_on, 'due_at', due_at, 'time_zone', time_zone,
           'version', version, 'created_at', created_at, 'updated_at', updated_at), created_at from tasks
       ) logged`,
    )
    for (const table of ['tasks', 'lists', 'changes']) await client.query(`alter table ${table} enable trigger user`)
    for (const { definition } of indexes.rows) await client.query(definition)
    await client.query('vacuum (analyze)')
    await client.query('checkpoint')
  } finally {
    await client.end()
  }
}
