import { mock } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { EventFrames } from '../../src/contract/event-streams.ts'
import type { EventStream } from '../../src/contract/types.ts'

const HEARTBEAT = 15_000

/** A source without an end, which counts what was taken. */
function endless(): EventStream & { taken: number; returned: boolean } {
  return {
    taken: 0,
    returned: false,
    async next() {
      this.taken += 1
      return { done: false, value: { id: `${this.taken}`, event: 'x', data: 'x'.repeat(1000) } }
    },
    async return() {
      this.returned = true
      return { done: true, value: undefined }
    },
  }
}

/** A source in which nothing happens. */
const silent = (): EventStream => ({ next: () => new Promise(() => {}), return: async () => ({ done: true, value: undefined }) })

t.test('a stream of events', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const settle = async () => {
    for (let turn = 0; turn < 100; turn++) await setImmediate()
  }

  t.test('takes no more than there is room for, and is cut off when its reader takes nothing from one heartbeat to the next', async (t) => {
    const source = endless()
    const frames = new EventFrames(source, JSON.stringify)
    frames.read(0)
    await settle()
    t.ok(source.taken > 1 && source.taken < 100, `${source.taken}`)
    const { taken } = source
    await settle()
    t.equal(source.taken, taken)
    mock.timers.tick(HEARTBEAT)
    t.notOk(frames.destroyed)
    mock.timers.tick(HEARTBEAT)
    t.ok(frames.destroyed)
    await settle()
    t.ok(source.returned)
  })

  t.test('is not cut off while its reader takes something, however slowly', async (t) => {
    const frames = new EventFrames(endless(), JSON.stringify)
    for (let beat = 0; beat < 10; beat++) {
      await settle()
      t.ok(frames.read())
      mock.timers.tick(HEARTBEAT)
      t.notOk(frames.destroyed)
    }
    frames.destroy()
  })

  t.test('sends a heartbeat when there is nothing else', async (t) => {
    const frames = new EventFrames(silent(), JSON.stringify)
    t.match(frames.read(), /^retry: \d+\n\n$/)
    for (let beat = 0; beat < 3; beat++) {
      mock.timers.tick(HEARTBEAT)
      t.equal(frames.read(), ': heartbeat\n\n')
    }
    frames.destroy()
  })

  t.test('ends with the time after which to come back', async (t) => {
    const frames = new EventFrames(silent(), JSON.stringify)
    frames.end()
    let text = ''
    for await (const chunk of frames) text += chunk
    t.match(text, /^retry: \d+\n\nretry: \d+\n\n$/)
  })

  t.test('breaks off when its source fails', async (t) => {
    const frames = new EventFrames({ ...silent(), next: async () => Promise.reject(new Error('defect')) }, JSON.stringify)
    await t.rejects(frames.toArray(), { message: 'defect' })
  })
})
