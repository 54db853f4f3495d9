import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { work } from '../../src/jobs/definitions.ts'
import { createDatabase, embeddedDirectory } from '../support/app.ts'
import { deadJobs, startJobs, statesOf, until } from '../support/jobs.ts'
import { interrupted, interruptedAtLast } from '../support/jobs-process.ts'
import { BARE_ENVIRONMENT } from '../support/process.ts'

t.test('a job whose process is killed in the middle of it runs again', async (t) => {
  const database = await killInside(t, interrupted.name)
  const attempts: number[] = []
  const { db } = await startJobs(t, [work(interrupted, async (_payload, { number }) => void attempts.push(number))], {}, database)
  t.same(await statesOf(db, 'interrupted'), { active: 1 })
  await until(async () => (await statesOf(db, 'interrupted'))['completed'] === 1)
  t.same(attempts, [2])
  t.same(await deadJobs(db), [])
})

t.test('a job whose process is killed in the middle of its last try is given up, which is logged and seen', async (t) => {
  const database = await killInside(t, interruptedAtLast.name)
  const attempts: number[] = []
  const worker = work(interruptedAtLast, async (_payload, { number }) => void attempts.push(number))
  const { db, logged } = await startJobs(t, [worker], {}, database)
  const givenUp = () => logged.filter(({ msg }) => msg === 'job given up')
  await until(() => givenUp().length > 0)
  const [dead] = await deadJobs(db)
  t.match(dead, { name: 'interrupted-at-last', error: 'job timed out' })
  t.match(givenUp(), [{ level: 50, job: 'interrupted-at-last', jobId: dead?.job_id, attempt: 1, error: 'job timed out' }])
  t.same(attempts, [])
  await until(async () => (await statesOf(db, 'dead'))['completed'] === 1)
  t.equal((await deadJobs(db)).length, 1, 'it goes on being kept')
})

/**
 * Kills a process that is inside of a job.
 * @returns its database
 */
async function killInside(t: Test, job: string): Promise<string> {
  const url = await createDatabase(t)
  const DATA_DIR = embeddedDirectory(t)
  const environment = url === undefined ? { DATA_DIR } : { DATABASE_URL: url, AUTH_SECRET: 'q9Wf3kTz7LxV1mPbR8sYcD2gH5jN6uEa' }
  const child = spawn(process.execPath, ['test/support/jobs-process.ts', job], {
    env: { ...BARE_ENVIRONMENT, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  t.equal(String((await once(child.stdout, 'data'))[0]), 'working\n')
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
  return url ?? DATA_DIR
}
