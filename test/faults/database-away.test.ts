import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startApp } from '../support/app.ts'
import { createTemplate, databaseUrl, startPostgres, TEMPLATE } from '../support/postgres.ts'

t.test('a database that is killed and comes back', async (t) => {
  const postgres = await startPostgres()
  t.teardown(() => postgres.stop())
  await createTemplate(postgres.url)
  const { as, register, context, url } = await startApp(t, {}, databaseUrl(postgres.url, TEMPLATE))
  const ada = await register()
  const { body: task } = await as(ada)('createTask', { body: { title: 'Acknowledged' }, expect: 201 })

  // A connection that is idle inside a transaction when the server dies reports to nobody but itself.
  let insideTransaction = () => {}
  const release = new Promise<void>((resolve) => {
    insideTransaction = resolve
  })
  const transaction = context.db.transaction().execute(async (trx) => {
    await trx.selectFrom('users').select('id').execute()
    await release
    await trx.selectFrom('users').select('id').execute()
  })
  const failed = transaction.then(
    () => false,
    () => true,
  )
  await postgres.kill()
  insideTransaction()
  t.equal(await failed, true, 'the open transaction fails')

  t.test('503 with Retry-After to every operation that needs it, reading and writing', async (t) => {
    const answers = [
      await as(ada)('getTask', { params: { taskId: task.id }, expect: 503 }),
      await as(ada)('listTasks', { expect: 503 }),
      await as(ada)('createTask', { body: { title: 'Lost' }, expect: 503 }),
      await as(ada)('updateTask', { params: { taskId: task.id }, body: { completed: true }, expect: 503 }),
      await as(ada)('listLists', { expect: 503 }),
      await as()('login', { body: { username: ada.username, password: 'whatever it is' }, expect: 503 }),
    ]
    for (const { body, headers } of answers) {
      t.equal(body.code, 'UNAVAILABLE')
      t.equal(headers.get('retry-after'), '1')
    }
    const form = await as()('createToken', { body: { grant_type: 'password', username: 'ada', password: 'x' }, expect: 503 })
    t.equal(form.body.error, 'temporarily_unavailable')
  })

  t.test('the process is alive and says that it is not ready', async (t) => {
    await as()('getLiveness', { expect: 200 })
    const { body } = await as()('getReadiness', { expect: 503 })
    t.match(body, { status: 'unhealthy', checks: { database: { status: 'unhealthy' } } })
  })

  t.test('all is well by itself when it is back, and nothing acknowledged is lost', async (t) => {
    await postgres.start()
    for (let tries = 0; tries < 100; tries += 1) {
      if ((await fetch(`${url}/api/v1/health/ready`)).ok) break
      await sleep(50)
    }
    await as()('getReadiness', { expect: 200 })
    t.same((await as(ada)('getTask', { params: { taskId: task.id }, expect: 200 })).body, task)
    await as(ada)('createTask', { body: { title: 'After' }, expect: 201 })
  })
})
