import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { work } from '../../src/jobs/definitions.ts'
import { createDatabase } from '../support/app.ts'
import { startJobs, statesOf, until } from '../support/jobs.ts'
import { interrupted } from '../support/jobs-process.ts'
import { temporaryFolder } from '../support/process.ts'

t.test('a job whose process is killed in the middle of it runs again', async (t) => {
  const url = await createDatabase(t)
  const DATA_DIR = temporaryFolder(t)
  const environment = url === undefined ? { DATA_DIR } : { DATABASE_URL: url, AUTH_SECRET: 'q9Wf3kTz7LxV1mPbR8sYcD2gH5jN6uEa' }
  const child = spawn(process.execPath, ['test/support/jobs-process.ts'], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  t.equal(String((await once(child.stdout, 'data'))[0]), 'working\n')
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit

  const attempts: number[] = []
  const { jobs, db } = await startJobs(t, [work(interrupted, async (_payload, { number }) => void attempts.push(number))], {}, url ?? DATA_DIR)
  t.same(await statesOf(db, 'interrupted'), { active: 1 })
  await until(async () => (await statesOf(db, 'interrupted'))['completed'] === 1)
  t.same(attempts, [2])
  t.same(await jobs.listDead(), [])
})
