import { randomBytes } from 'node:crypto'
import t from 'tap'
import { PASSWORD, startApp } from '../support/app.ts'
import { until } from '../support/jobs.ts'
import { jobsDone, startMailbox } from '../support/mailbox.ts'
import { createTemplate, databaseUrl, startPostgres, TEMPLATE } from '../support/postgres.ts'
import { startWorker, temporaryFolder } from '../support/process.ts'

const VERIFY = 'Verify your e-mail address'

t.test('an API that works no jobs, and a worker', async (t) => {
  const postgres = await startPostgres()
  t.teardown(() => postgres.stop())
  await createTemplate(postgres.url)
  const AUTH_SECRET = 'q9Wf3kTz7LxV1mPbR8sYcD2gH5jN6uEa'
  const DATABASE_URL = databaseUrl(postgres.url, TEMPLATE)
  const { settings, next, arrived, subjectsTo } = await startMailbox(t)
  const api = await startApp(t, { ...settings, AUTH_SECRET, JOBS: 'off' }, DATABASE_URL)
  // The settings of the API, JOBS=off among them.
  const environment = { DATABASE_URL, AUTH_SECRET, SMTP_URL: String(settings['SMTP_URL']), JOBS: 'off' }

  const ada = await api.register('ada')
  t.same(arrived, [], 'nobody sends the mail yet')
  let worker = await startWorker(t, environment)

  t.test('what was asked for before the worker came is mailed, and what comes after', async (t) => {
    await next(ada.email, VERIFY)
    const grace = await api.register('grace')
    await next(grace.email, VERIFY)
    t.equal(arrived.length, 2)
    await jobsDone(api.context)
  })

  t.test('a worker outlives an outage of the database, and goes on', async (t) => {
    await postgres.kill()
    await until(() => worker.output().includes('lost a database connection'))
    await postgres.start()
    let email = ''
    // Another name each time: what was not acknowledged may have been done.
    await until(async () => {
      const username = `user-${randomBytes(6).toString('hex')}`
      email = `${username}@example.com`
      return (await api.as()('register', { body: { username, email, password: PASSWORD } })).status === 201
    })
    await next(email, VERIFY)
    t.ok(worker.running())
  })

  t.test('SIGTERM ends a worker; another one takes up what waits', async (t) => {
    t.equal(await worker.end('SIGTERM'), 0)
    t.match(worker.output(), 'stopped')
    const joan = await api.register('joan')
    worker = await startWorker(t, environment)
    await next(joan.email, VERIFY)
    t.equal(await worker.end('SIGTERM'), 0)
    for (const { email } of [ada, joan]) t.same(subjectsTo(email), [VERIFY], 'once')
  })
})

t.test('a worker without a database server says what it needs', async (t) => {
  await t.rejects(startWorker(t, { DATA_DIR: temporaryFolder(t) }), {
    message: /^The configuration is not valid:\n {2}- DATABASE_URL must be set: the embedded database has one process alone/,
  })
})
