import t from 'tap'
import { defineJob, work } from '../../src/jobs/definitions.ts'
import { startJobs, statesOf, until } from '../support/jobs.ts'

t.test('jobs of a group that hangs leave the workers to the others', async (t) => {
  const call = defineJob<{ receiver: string }>('call', { tries: 1, concurrency: 8, groupOf: ({ receiver }) => receiver })
  const hanging = Promise.withResolvers<void>()
  const calls: string[] = []
  const { jobs, db } = await startJobs(t, [
    work(call, async ({ receiver }) => {
      calls.push(receiver)
      if (receiver === 'slow') await hanging.promise
    }),
  ])
  for (let count = 0; count < 30; count++) await jobs.send(db, call, { receiver: 'slow' })
  for (let count = 0; count < 30; count++) await jobs.send(db, call, { receiver: `quick ${count}` })
  await until(async () => (await statesOf(db, 'call'))['completed'] === 30)
  t.same(calls.filter((receiver) => receiver === 'slow').length, 1)
  t.same(await statesOf(db, 'call'), { completed: 30, active: 1, created: 29 })
  hanging.resolve()
  await until(async () => (await statesOf(db, 'call'))['completed'] === 60)
  t.equal(calls.length, 60)
})
