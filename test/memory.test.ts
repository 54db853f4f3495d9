import { getHeapSpaceStatistics } from 'node:v8'
import t from 'tap'
import { releaseMemory } from '../src/memory.ts'
import { samplesOf, valueIn } from './metrics/exposition.ts'
import { databaseEnvironment, EMBEDDED } from './support/app.ts'
import { until } from './support/jobs.ts'
import { type ServerProcess, startServer, startWorker } from './support/process.ts'

/** What V8 keeps of room for young objects when it has given back the rest, in bytes, is less; what a start leaves is more than ten times as much. */
const LITTLE = 4 * 2 ** 20

/** What V8 holds for young objects, in bytes. */
const room = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0

t.test('what a start has opened for young objects is given back', async (t) => {
  const kept = []
  for (let count = 0; count < 200_000; count++) kept.push({ count })
  const before = room()
  releaseMemory()
  t.ok(room() < before / 2, `${room()} of ${before}`)
})

t.test('a server and a worker do so once they have started', async (t) => {
  const environment = { ...(await databaseEnvironment(t)), METRICS_PORT: '0' }
  const roomOf = async ({ output }: ServerProcess) => {
    const url = /Metrics: (http:\S+)\/metrics/.exec(output())?.[1]
    return valueIn(samplesOf(await (await fetch(`${url}/metrics`)).text()), 'nodejs_heap_space_size_total_bytes', { space: 'new' }) ?? Number.NaN
  }
  // The embedded database has no worker beside the server.
  for (const start of EMBEDDED ? [startServer] : [startServer, startWorker]) {
    const process = await start(t, environment)
    await until(async () => (await roomOf(process)) <= LITTLE)
    t.ok(process.running())
  }
})
