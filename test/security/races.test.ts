import t, { type Test } from 'tap'
import { PASSWORD, type Person, startApp } from '../support/app.ts'
import { expectNoDefects } from './attacks.ts'

const AT_ONCE = 50

/** What is checked and then done must be one step: many requests at the same time find no gap between the two. */
t.test('races', async (t) => {
  const { as, context, register, logged } = await startApp(t, { DATABASE_POOL_SIZE: '20' })
  const { db } = context
  const ada = await register()
  const many = <Answer>(ask: (index: number) => Promise<Answer>, count = AT_ONCE) =>
    Promise.all(Array.from({ length: count }, (_, index) => ask(index)))
  const counted = (statuses: readonly number[]) =>
    Object.fromEntries([...new Set(statuses)].map((status) => [status, statuses.filter((other) => other === status).length]))
  const expectCounts = (t: Test, answers: readonly { status: number }[], expected: Record<number, number>) =>
    t.strictSame(counted(answers.map(({ status }) => status)), expected)
  const newList = async () => (await as(ada)('createList', { body: { title: 'x' }, expect: 201 })).body.id
  const newTask = async (listId?: string) =>
    (await as(ada)('createTask', { body: { title: 'x', ...(listId !== undefined && { listId }) }, expect: 201 })).body.id
  const etagOf = ({ headers }: { headers: Headers }) => ({ 'If-Match': headers.get('etag') ?? '' })

  /** Letters in another case, and spaces that are trimmed. */
  const disguised = (text: string, index: number) =>
    ' '.repeat(index % 3) + [...text].map((letter, at) => ((index >> (at % 5)) & 1 ? letter.toUpperCase() : letter)).join('') + '\t'.repeat(index % 2)

  t.test(`register: one address ${AT_ONCE} times at once, in many cases: exactly one 201`, async (t) => {
    const answers = await many((index) =>
      as()('register', { body: { email: disguised('grace@example.com', index), username: `grace-${index}`, password: PASSWORD } }),
    )
    expectCounts(t, answers, { 201: 1, 409: AT_ONCE - 1 })
    for (const { status, body } of answers) if (status === 409) t.match(body, { code: 'EMAIL_TAKEN' })
  })

  t.test(`register: one username ${AT_ONCE} times at once, in many cases: exactly one 201`, async (t) => {
    const answers = await many((index) =>
      as()('register', { body: { email: `edsger-${index}@example.com`, username: disguised('edsger', index), password: PASSWORD } }),
    )
    expectCounts(t, answers, { 201: 1, 409: AT_ONCE - 1 })
  })

  t.test('register: nobody who was refused has left anything, and each who was not has one inbox', async (t) => {
    t.equal((await db.selectFrom('users').select('id').execute()).length, 3)
    t.equal((await db.selectFrom('lists').select('id').where('inbox', '=', true).execute()).length, 3)
    t.equal((await db.selectFrom('sessions').select('id').execute()).length, 3)
  })

  t.test('register and updateMe: one username, wanted by both: exactly one has it', async (t) => {
    for (let round = 0; round < 5; round++) {
      const username = `wanted-${round}`
      const registered = as()('register', { body: { email: `${username}@example.com`, username, password: PASSWORD } })
      const renamed = as(ada)('updateMe', { body: { username: username.toUpperCase() } })
      const statuses = (await Promise.all([registered, renamed])).map(({ status }) => status)
      t.ok([`201,409`, `409,200`].includes(statuses.join()), statuses.join())
    }
  })

  t.test(`updateTask: ${AT_ONCE} changes of one version: exactly one 200, and its change is the one that stays`, async (t) => {
    for (let round = 0; round < 3; round++) {
      const taskId = await newTask()
      const headers = etagOf(await as(ada)('getTask', { params: { taskId }, expect: 200 }))
      const answers = await many((index) => as(ada)('updateTask', { params: { taskId }, body: { title: `${index}` }, headers }))
      expectCounts(t, answers, { 200: 1, 412: AT_ONCE - 1 })
      const winner = answers.findIndex(({ status }) => status === 200)
      t.equal((await as(ada)('getTask', { params: { taskId }, expect: 200 })).body.title, `${winner}`)
    }
  })

  t.test(`updateList: ${AT_ONCE} changes of one version: exactly one 200`, async (t) => {
    const listId = await newList()
    const headers = etagOf(await as(ada)('getList', { params: { listId }, expect: 200 }))
    expectCounts(t, await many((index) => as(ada)('updateList', { params: { listId }, body: { title: `${index}` }, headers })), {
      200: 1,
      412: AT_ONCE - 1,
    })
  })

  t.test(`deleteTask: ${AT_ONCE} at once: exactly one 204`, async (t) => {
    const taskId = await newTask()
    expectCounts(t, await many(() => as(ada)('deleteTask', { params: { taskId } })), { 204: 1, 404: AT_ONCE - 1 })
  })

  t.test(`deleteList: ${AT_ONCE} at once: exactly one 204`, async (t) => {
    const listId = await newList()
    await newTask(listId)
    expectCounts(t, await many(() => as(ada)('deleteList', { params: { listId } })), { 204: 1, 404: AT_ONCE - 1 })
  })

  t.test('deleteTask and updateTask of one version: exactly one of them', async (t) => {
    for (let round = 0; round < 10; round++) {
      const taskId = await newTask()
      const headers = etagOf(await as(ada)('getTask', { params: { taskId }, expect: 200 }))
      const [removed, changed] = await Promise.all([
        as(ada)('deleteTask', { params: { taskId }, headers }),
        as(ada)('updateTask', { params: { taskId }, body: { title: 'y' }, headers }),
      ])
      t.ok(['204,404', '412,200'].includes(`${removed.status},${changed.status}`), `${removed.status},${changed.status}`)
    }
  })

  t.test('createListTask in a list that is being deleted: in it and gone with it, or 404, and never left over', async (t) => {
    for (let round = 0; round < 5; round++) {
      const listId = await newList()
      const created = many((index) => as(ada)('createListTask', { params: { listId }, body: { title: `orphan ${index}` } }), 10)
      const [deleted, answers] = await Promise.all([as(ada)('deleteList', { params: { listId } }), created])
      t.equal(deleted.status, 204)
      for (const { status } of answers) t.ok(status === 201 || status === 404, `${status}`)
      t.same(await db.selectFrom('tasks').select('id').where('list_id', '=', listId).execute(), [])
    }
  })

  t.test('updateTask that moves into a list that is being deleted: gone with it, or 404 and where it was', async (t) => {
    const home = await newList()
    for (let round = 0; round < 5; round++) {
      const listId = await newList()
      const ids = await many(() => newTask(home), 6)
      const [deleted, answers] = await Promise.all([
        as(ada)('deleteList', { params: { listId } }),
        Promise.all(ids.map((taskId) => as(ada)('updateTask', { params: { taskId }, body: { listId } }))),
      ])
      t.equal(deleted.status, 204)
      for (const [index, { status }] of answers.entries()) {
        t.ok(status === 200 || status === 404, `${status}`)
        const task = await as(ada)('getTask', { params: { taskId: ids[index] ?? '' } })
        t.equal(task.status, status === 200 ? 404 : 200)
      }
    }
    const { body } = await as(ada)('getList', { params: { listId: home }, expect: 200 })
    t.equal(body.openTasks, (await db.selectFrom('tasks').select('id').where('list_id', '=', home).execute()).length)
  })

  t.test('createTask with one new category, many times at once: all are counted', async (t) => {
    expectCounts(t, await many(() => as(ada)('createTask', { body: { title: 'x', categories: ['raced'] } })), { 201: AT_ONCE })
    const { body } = await as(ada)('listCategories', { query: { limit: 100 }, expect: 200 })
    t.same(
      body.items.find(({ name }) => name === 'raced'),
      { name: 'raced', openTasks: AT_ONCE, completedTasks: 0 },
    )
  })

  const logIn = async ({ username }: Person) => (await as()('login', { body: { username, password: PASSWORD }, expect: 200 })).body
  const refresh = (refresh_token: string) => as()('createToken', { body: { grant_type: 'refresh_token', refresh_token } })

  t.test(`createToken: one refresh token ${AT_ONCE} times at once: one successor`, async (t) => {
    const { refreshToken } = await register()
    const answers = await many(() => refresh(refreshToken))
    expectCounts(t, answers, { 200: AT_ONCE })
    t.equal(new Set(answers.map(({ body }) => ('refresh_token' in body ? body.refresh_token : ''))).size, 1)
  })

  /** Whatever a refresh that ran at the same time has won must not outlive what ended the session. */
  for (const [what, end] of Object.entries<(session: { accessToken: string }, person: Person) => Promise<unknown>>({
    'logging out': (session) => as(session)('logout', { expect: 204 }),
    'being disabled': async (_session, eve) => {
      await db.updateTable('users').set({ disabled_at: new Date().toISOString() }).where('id', '=', eve.id).execute()
    },
    'being deleted': async (_session, eve) => {
      await db.deleteFrom('users').where('id', '=', eve.id).execute()
    },
  })) {
    t.test(`createToken: refreshing while ${what}: no token that was won survives`, async (t) => {
      for (let round = 0; round < 10; round++) {
        const eve = await register()
        const session = await logIn(eve)
        const refreshing = many(() => refresh(session.refreshToken), 5)
        await end(session, eve)
        for (const { body } of await refreshing) {
          if (!('access_token' in body)) continue
          t.equal((await refresh(body.refresh_token)).status, 400)
          t.equal((await as({ accessToken: body.access_token })('getMe')).status, 401)
        }
        t.equal((await refresh(session.refreshToken)).status, 400)
        t.equal((await as(session)('getMe')).status, 401)
      }
    })
  }

  expectNoDefects(t, logged)
})
