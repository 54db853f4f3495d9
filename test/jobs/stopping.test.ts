import { once } from 'node:events'
import t from 'tap'
import { defineJob, work } from '../../src/jobs/definitions.ts'
import { createDatabase } from '../support/app.ts'
import { startJobs, statesOf, until } from '../support/jobs.ts'

const long = defineJob('long', { firstPause: 0 })

t.test('stopping while a job runs', async (t) => {
  let finish = () => {}
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const order: string[] = []
  const worker = work(long, async () => {
    order.push('started')
    await finished
    order.push('finished')
  })
  const { jobs, db } = await startJobs(t, [worker])
  await jobs.send(db, long, {})
  await until(() => order.length === 1)
  const stopped = jobs.stop().then(() => order.push('stopped'))
  await jobs.send(db, long, {})
  finish()
  await stopped
  t.same(order, ['started', 'finished', 'stopped'], 'waits for its end')
  t.same(await statesOf(db, 'long'), { completed: 1, created: 1 }, 'takes no other one, which can be sent all the same')
})

t.test('stopping while a job runs that takes too long gives it back', async (t) => {
  const database = await createDatabase(t)
  let aborted = false
  let started = false
  const endless = work(long, async (_payload, { signal }) => {
    started = true
    await once(signal, 'abort')
    aborted = true
  })
  const { jobs, db } = await startJobs(t, [endless], { stopMilliseconds: 0 }, database)
  await jobs.send(db, long, {})
  await until(() => started)
  await jobs.stop()
  await until(() => aborted)
  t.same(await statesOf(db, 'long'), { retry: 1 })
  if (database === undefined) return
  await startJobs(t, [work(long, async () => undefined)], {}, database)
  await until(async () => (await statesOf(db, 'long'))['completed'] === 1)
})
