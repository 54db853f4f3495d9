import { sql } from 'kysely'
import t from 'tap'
import { PASSWORD, type Person, startApp, type TestApp } from '../support/app.ts'
import { sessionIdOf, startInstances } from '../support/instances.ts'
import { columnsOf } from '../support/rows.ts'

const body = { currentPassword: PASSWORD }

/** In how many rows of each table a user's id stands, in whatever column. The audit log keeps what has happened. */
async function tracesOf({ context: { db } }: TestApp, { id }: { id: string }): Promise<Record<string, number>> {
  const traces: Record<string, number> = {}
  for (const { table, column } of await columnsOf(db)) {
    if (table === 'audit_events') continue
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from ${sql.table(table)} where ${sql.ref(column)}::text = ${id}`.execute(db)
    const count = rows[0]?.count ?? 0
    if (count > 0) traces[`${table}.${column}`] = count
  }
  return traces
}

t.test('deleteMe', async (t) => {
  const [a, b] = await startInstances(t)
  const { as, context, register } = a
  const statuses = async (session: { accessToken: string }) => [(await b.as(session)('getMe')).status, (await a.as(session)('getMe')).status]

  t.test('204: everything of theirs is gone from every table, and nothing of anybody else', async (t) => {
    const [ada, eve] = [await register(), await register()]
    const token = { name: 'Calendar', scopes: ['account:read' as const], currentPassword: PASSWORD }
    const accessTokens: string[] = []
    for (const person of [ada, eve]) {
      await as(person)('createWebhook', { body: { url: 'https://example.com/hook', events: ['task.created'] }, expect: 201 })
      const { body: list } = await as(person)('createList', { body: { title: 'Groceries' }, expect: 201 })
      const milk = { title: 'Milk', categories: ['dairy'], dueDate: '2099-02-01' }
      const { body: task } = await as(person)('createListTask', { params: { listId: list.id }, body: milk, expect: 201 })
      await as(person)('createReminder', { params: { taskId: task.id }, body: { minutesBefore: 30 }, expect: 201 })
      await context.db.insertInto('reminder_mails').values({ user_id: person.id, job_id: task.id }).execute()
      await as(person)('createTask', { body: { title: 'Call', categories: ['phone'] }, headers: { 'Idempotency-Key': 'call' }, expect: 201 })
      await as()('login', { body: { username: person.username, password: PASSWORD }, expect: 200 })
      accessTokens.push((await as(person)('createApiToken', { body: token, expect: 201 })).body.token)
    }
    const before = await tracesOf(a, eve)
    t.same(before, {
      'api_tokens.user_id': 1,
      'categories.owner_id': 2,
      'changes.actor_id': 7,
      'changes.owner_id': 7,
      'idempotency_records.user_id': 1,
      'lists.owner_id': 2,
      'mail_tokens.user_id': 1,
      'reminder_mails.user_id': 1,
      'reminders.owner_id': 1,
      'sessions.user_id': 2,
      'tasks.owner_id': 2,
      'users.id': 1,
      'webhook_deliveries.actor_id': 2,
      'webhook_deliveries.owner_id': 2,
      'webhooks.owner_id': 1,
    })
    t.same(await tracesOf(a, ada), before)
    const [hers = '', his = ''] = accessTokens
    for (const accessToken of [ada.accessToken, hers]) t.same(await statuses({ accessToken }), [200, 200])

    const { headers, text } = await as(ada)('deleteMe', { body, expect: 204 })
    t.equal(text, '')
    t.equal(headers.get('cache-control'), 'no-store')
    t.same(await tracesOf(a, ada), {})
    t.same(await tracesOf(a, eve), before)
    for (const accessToken of [ada.accessToken, hers]) t.same(await statuses({ accessToken }), [401, 401])
    for (const accessToken of [eve.accessToken, his]) t.same(await statuses({ accessToken }), [200, 200])
    t.equal((await b.as()('refresh', { body: { refreshToken: ada.refreshToken } })).status, 401)
    t.equal((await b.as()('login', { body: { username: ada.username, password: PASSWORD } })).status, 401)
    const events = await context.db
      .selectFrom('audit_events')
      .selectAll()
      .where('user_id', '=', ada.id)
      .where('action', '=', 'user.deleted')
      .execute()
    t.match(events, [{ actor_id: ada.id, session_id: sessionIdOf(ada), operation: 'deleteMe' }])
  })

  t.test('204: name and address are free again, for somebody with nothing of the old', async (t) => {
    const ada = await register()
    await as(ada)('createTask', { body: { title: 'Secret' }, expect: 201 })
    await as(ada)('deleteMe', { body, expect: 204 })
    const again = await register(ada.username)
    t.not(again.id, ada.id)
    t.same((await as(again)('listTasks', { expect: 200 })).body.items, [])
    t.equal((await as(ada)('getMe')).status, 401)
  })

  t.test('422 naming /currentPassword with a wrong one, and nothing is deleted', async (t) => {
    const ada = await register()
    for (const currentPassword of [`${PASSWORD} `, 'x']) {
      t.match(await as(ada)('deleteMe', { body: { currentPassword } }), { status: 422, body: { errors: [{ in: 'body', path: '/currentPassword' }] } })
    }
    t.match(await as(ada)('deleteMe', { body: {} } as never), { status: 422, body: { errors: [{ path: '/currentPassword' }] } })
    t.same(await statuses(ada), [200, 200])
    const refusals = await context.db
      .selectFrom('audit_events')
      .select('operation')
      .where('user_id', '=', ada.id)
      .where('action', '=', 'password.refused')
      .execute()
    t.same(refusals, [{ operation: 'deleteMe' }, { operation: 'deleteMe' }])
  })

  t.test('401 the second time', async (t) => {
    const ada = await register()
    await as(ada)('deleteMe', { body, expect: 204 })
    t.equal((await b.as(ada)('deleteMe', { body })).status, 401)
  })

  t.test('403 INSUFFICIENT_SCOPE without account:write', async (t) => {
    const ada = await register()
    const grant = { grant_type: 'password', username: ada.username, password: PASSWORD, scope: 'account:read tasks:write' } as const
    const { body: narrow } = await as()('createToken', { body: grant, expect: 200 })
    t.match(await as({ accessToken: narrow.access_token })('deleteMe', { body }), { status: 403, body: { code: 'INSUFFICIENT_SCOPE' } })
    t.same(await statuses(ada), [200, 200])
  })

  t.test('204 while they write on both instances: no request fails as a defect, and nothing of theirs is left, in 20 rounds', async (t) => {
    for (let round = 0; round < 20; round++) {
      const ada = await register()
      const writes = [a, b].flatMap(({ as }) => [
        as(ada)('createList', { body: { title: 'Groceries' } }),
        as(ada)('createTask', { body: { title: 'Milk', categories: [`dairy ${round}`] } }),
        as(ada)('createTask', { body: { title: 'Party', dueDate: '2027-03-01' } as never }),
        as(ada)('updateMe', { body: { timeZone: 'Europe/Berlin' } }),
        as()('refresh', { body: { refreshToken: ada.refreshToken } }),
        as()('login', { body: { username: ada.username, password: PASSWORD } }),
      ])
      const { status } = await (round % 2 ? a : b).as(ada)('deleteMe', { body })
      const answers = await Promise.all(writes)
      t.same(
        answers.filter((answer) => answer.status === 500).map(({ text }) => text),
        [],
      )
      // Two that wait for each other are told apart by PostgreSQL, which ends one of them: it may be sent again.
      if (status === 503) await as(ada)('deleteMe', { body, expect: 204 })
      else t.equal(status, 204)
      t.same(await tracesOf(a, ada), {})
    }
  })

  t.test('204 with 20,000 tasks in 40 lists', async (t) => {
    const ada = await register()
    await fill(a, ada)
    await as(ada)('deleteMe', { body, expect: 204 })
    t.same(await tracesOf(a, ada), {})
  })
})

t.test('the last admin', async (t) => {
  const app = await startApp(t)
  const { as, context } = app
  const root = await app.registerAdmin()

  t.test('deleteMe: 409 to the only admin, whose account goes on', async (t) => {
    t.match(await as(root)('deleteMe', { body }), { status: 409, body: { code: 'CONFLICT' } })
    t.equal((await as(root)('listUsers')).status, 200)
    const events = await context.db.selectFrom('audit_events').select('id').where('action', '=', 'user.deleted').execute()
    t.same(events, [])
  })

  t.test('deleteMe: 409 as well when all other admins are disabled', async (t) => {
    const other = await app.registerAdmin()
    await as(root)('updateUser', { params: { userId: other.id }, body: { disabled: true }, expect: 200 })
    t.equal((await as(root)('deleteMe', { body })).status, 409)
    await as(root)('updateUser', { params: { userId: other.id }, body: { disabled: false }, expect: 200 })
    t.equal((await as(root)('deleteMe', { body })).status, 204)
  })
})

/** 20,000 tasks in 40 lists, each with two categories of a hundred. */
async function fill({ context: { db } }: TestApp, { id }: Person): Promise<void> {
  await sql`
    insert into lists (owner_id, id, title, created_at, updated_at)
    select ${id}::uuid, gen_random_uuid(), 'List ' || n, now(), now() from generate_series(1, 40) as n`.execute(db)
  // In parts, as one statement may not take long.
  for (let part = 0; part < 20; part++) {
    await sql`
      insert into tasks (owner_id, id, list_id, title, priority, categories, created_at, updated_at)
      select ${id}::uuid, gen_random_uuid(), (array(select id from lists where owner_id = ${id}::uuid))[1 + n % 40], 'Task ' || n, 'low',
        array['category ' || n % 50, 'category ' || 50 + n % 50], now(), now()
      from generate_series(1, 1000) as n`.execute(db)
  }
}
