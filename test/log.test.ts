import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { BARE_ENVIRONMENT } from './support/process.ts'

/** The lines of a process of its own that runs a script, in which `logger` is the one that a server has. */
async function* linesOf(t: Test, script: string): AsyncGenerator<{ level: string; msg: string; i?: number }> {
  const source = `import { createLogger } from './src/log.ts'; const logger = createLogger({ level: 'info', pretty: false }); ${script}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { env: BARE_ENVIRONMENT, stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => child.kill('SIGKILL'))
  for await (const line of createInterface(child.stdout)) yield JSON.parse(line)
}

t.test('the log', async (t) => {
  for (const [name, end] of Object.entries({ 'nothing left to do': '', 'process.exit': 'process.exit()', 'an error that nobody catches': 'throw 1' }))
    await t.test(`holds every line in its order, however many batches they are, when the process ends by ${name}`, async (t) => {
      const seen = []
      for await (const { i } of linesOf(t, `for (let i = 0; i < 1000; i++) logger.info({ i }, 'x'.repeat(100)); ${end}`)) seen.push(i)
      t.same(
        seen,
        Array.from({ length: 1000 }, (_, i) => i),
      )
    })

  await t.test('writes a warning at once with what came before it, and an ordinary line later', async (t) => {
    const seen = []
    const script = `logger.info('first'); logger.warn('second'); logger.info('third'); process.kill(process.pid, 'SIGKILL')`
    for await (const { level, msg } of linesOf(t, script)) seen.push([level, msg])
    t.same(seen, [
      ['info', 'first'],
      ['warn', 'second'],
    ])
  })

  await t.test('writes an ordinary line while the process goes on', async (t) => {
    // It ends by the line that it has written.
    const script = `import fs from 'node:fs'; const { writeSync } = fs
      fs.writeSync = (...written) => { writeSync(...written); process.kill(process.pid, 'SIGKILL') }
      logger.info('alone'); setTimeout(() => process.kill(process.pid, 'SIGKILL'), 30_000)`
    const seen = []
    for await (const { msg } of linesOf(t, script)) seen.push(msg)
    t.same(seen, ['alone'])
  })

  await t.test('goes on when it can be written again, after more than can wait', async (t) => {
    const script = `import fs from 'node:fs'; const { writeSync } = fs
      fs.writeSync = () => { throw Object.assign(new Error('full'), { code: 'ENOSPC' }) }
      for (let i = 0; i < 2000; i++) logger.info('x'.repeat(1000))
      for (let i = 0; i < 1000; i++) logger.warn('short')
      fs.writeSync = writeSync
      logger.warn('lost'); logger.warn('written'); process.kill(process.pid, 'SIGKILL')`
    let last = ''
    for await (const { msg } of linesOf(t, script)) last = msg
    t.equal(last, 'written')
  })
})
