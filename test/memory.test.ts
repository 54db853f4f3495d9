import { getHeapSpaceStatistics } from 'node:v8'
import t from 'tap'
import { releaseMemory } from '../src/memory.ts'

/** What V8 holds for young objects, in bytes. */
const room = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0

t.test('what a start has opened for young objects is given back', async (t) => {
  const kept = []
  for (let count = 0; count < 200_000; count++) kept.push({ count })
  const before = room()
  releaseMemory()
  t.ok(room() < before / 2, `${room()} of ${before}`)
})
