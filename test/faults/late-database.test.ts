import t from 'tap'
import type { Answer } from '../../src/contract/types.ts'
import { callerOf } from '../support/client.ts'
import { createTemplate, databaseUrl, startPostgres, TEMPLATE } from '../support/postgres.ts'
import { startServer } from '../support/process.ts'

t.test('a server that starts before its database', async (t) => {
  const postgres = await startPostgres()
  t.teardown(() => postgres.stop())
  await createTemplate(postgres.url)
  const environment = { DATABASE_URL: databaseUrl(postgres.url, TEMPLATE), AUTH_SECRET: 'q9Wf3kTz7LxV1mPbR8sYcD2gH5jN6uEa', SHUTDOWN_GRACE_MS: '0' }

  t.test('waits for it', async (t) => {
    await postgres.kill()
    let came: Promise<void> | undefined
    const { url, end } = await startServer(t, environment, (output) => {
      if (output.includes('waiting for the database')) came ??= postgres.start()
    })
    await came
    await callerOf(url, undefined, new Map<string, Answer>())('getReadiness', { expect: 200 })
    t.equal(await end('SIGTERM'), 0)
  })
})
