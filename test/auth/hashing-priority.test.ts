import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import type { Answer } from '../../src/contract/types.ts'
import { PASSWORD } from '../support/app.ts'
import { callerOf } from '../support/client.ts'
import { startServer, temporaryFolder } from '../support/process.ts'

/** The name of each thread of a process with its nice value (proc(5)); the main one has the id of the process. */
function threadsOf(pid: number): { id: number; name: string; nice: number }[] {
  const folder = `/proc/${pid}/task`
  return readdirSync(folder).map((id) => {
    const [, name = '', fields = ''] = /\((.*)\) (.*)/.exec(readFileSync(`${folder}/${id}/stat`, 'utf8')) ?? []
    return { id: Number(id), name, nice: Number(fields.split(' ')[16]) }
  })
}

t.test('the threads that hash passwords are as many as hashes, and give way to the one that serves requests', async (t) => {
  if (process.platform !== 'linux') return t.plan(0, 'only Linux has a priority for each thread')
  const { url, pid } = await startServer(t, { DATA_DIR: temporaryFolder(t), ARGON2_CONCURRENT: '3' })
  const person = { username: 'ada', email: 'ada@example.com', password: PASSWORD }
  await callerOf(url, undefined, new Map<string, Answer>())('register', { body: person, expect: 201 })
  const pool = threadsOf(pid).filter(({ name }) => name === 'libuv-worker')
  t.equal(pool.length, 3)
  for (const { nice } of pool) t.equal(nice, 15)
  t.equal(threadsOf(pid).find(({ id }) => id === pid)?.nice, 0)
})
