import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import t from 'tap'
import { BARE_ENVIRONMENT } from './support/process.ts'

/** A process of its own, in which `logger` is the one that a server has. */
function logging(script: string) {
  const source = `import { createLogger } from './src/log.ts'; const logger = createLogger({ level: 'info', pretty: false }); ${script}`
  return spawn(process.execPath, ['--input-type=module', '-e', source], { env: BARE_ENVIRONMENT, stdio: ['pipe', 'pipe', 'inherit'] })
}

t.test('the log', async (t) => {
  await t.test('holds every line in its order, however many batches they are and however the process ends', async (t) => {
    const child = logging(`for (let i = 0; i < 1000; i++) logger.info({ i }, 'x'.repeat(100)); process.exit()`)
    const seen: number[] = []
    for await (const line of createInterface(child.stdout)) seen.push(JSON.parse(line).i)
    t.same(
      seen,
      Array.from({ length: 1000 }, (_, i) => i),
    )
  })

  await t.test('writes a warning at once, and what came before it', async (t) => {
    // Nothing else runs in it any more.
    const child = logging(`logger.info('first'); logger.warn('second'); logger.info('third'); for (;;);`)
    t.teardown(() => child.kill('SIGKILL'))
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    t.match(JSON.parse(String((await lines.next()).value)), { level: 'info', msg: 'first' })
    t.match(JSON.parse(String((await lines.next()).value)), { level: 'warn', msg: 'second' })
  })

  await t.test('writes an ordinary line soon, while the process goes on', async (t) => {
    const child = logging(`logger.info('alone'); process.stdin.resume()`)
    const [line] = await once(createInterface(child.stdout), 'line')
    t.match(JSON.parse(line), { msg: 'alone' })
    t.equal(child.exitCode, null)
    child.stdin.end()
    t.same(await once(child, 'exit'), [0, null])
  })
})
