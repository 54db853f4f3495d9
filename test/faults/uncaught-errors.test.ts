import path from 'node:path'
import t from 'tap'
import { startDurablePostgres, startInstance, storedIn } from './cluster.ts'
import { Load } from './load.ts'

t.test('a defect that nobody catches', async (t) => {
  const { url } = await startDurablePostgres(t)
  const NODE_OPTIONS = `--import=${path.resolve(import.meta.dirname, 'throw-on-signal.ts')}`
  for (const [what, signal] of [
    ['a rejection that nobody awaits', 'SIGUSR1'],
    ['an exception outside any request', 'SIGUSR2'],
  ] as const) {
    await t.test(`${what} is logged as fatal and ends the process with code 1, and nothing acknowledged is lost`, async (t) => {
      const server = await startInstance(t, url, { NODE_OPTIONS })
      const load = await Load.start(server.url)
      t.teardown(() => load.stop())
      await load.succeeds()
      t.equal(await server.end(signal), 1)
      await load.stop()

      const fatal = server
        .output()
        .split('\n')
        .filter((line) => line.includes('"level":"fatal"'))
        .map((line) => JSON.parse(line))
      t.equal(fatal.length, 1)
      t.match(fatal[0], { msg: 'uncaught exception', err: { name: 'Error', message: /^planted/, stack: /throw-on-signal\.ts/ } })
      t.same(load.ledger.lost(await storedIn(url)), [])
      t.ok(load.ledger.acknowledged > 4)
    })
  }
})
