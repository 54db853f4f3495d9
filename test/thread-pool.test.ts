import { execFileSync } from 'node:child_process'
import t from 'tap'

const PRIORITIES = `
  import { readdirSync } from 'node:fs'
  import { getPriority } from 'node:os'
  import { startThreadPool } from './src/thread-pool.ts'
  const priorities = () => readdirSync('/proc/self/task').map((id) => getPriority(Number(id)))
  const before = priorities()
  startThreadPool(Number(process.env.HASHES))
  const after = priorities()
  process.stdout.write(JSON.stringify({ unchanged: after.slice(0, before.length).join() === before.join(), started: after.slice(before.length) }))
`

t.test('the threads that hash passwords', { skip: process.platform !== 'linux' && 'only Linux has priorities of threads' }, async (t) => {
  const start = (environment: NodeJS.ProcessEnv) => {
    const { UV_THREADPOOL_SIZE: _, ...ours } = process.env
    const options = { env: { ...ours, ...environment } }
    return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '--eval', PRIORITIES], options).toString())
  }
  t.same(start({ HASHES: '6' }), { unchanged: true, started: Array(6).fill(15) }, 'are as many as hashes, and give way')
  t.same(start({ HASHES: '1' }), { unchanged: true, started: [15, 15] }, 'are two at least')
  t.same(start({ HASHES: '6', UV_THREADPOOL_SIZE: '3' }), { unchanged: true, started: [15, 15, 15] }, 'are as many as libuv is told')
})
