import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { freePort } from '../support/postgres.ts'
import { BARE_ENVIRONMENT, temporaryFolder } from '../support/process.ts'

type Output = 'pipe' | number

/** Resolves when the server answers, however long it takes to start. */
async function answered(url: string): Promise<number> {
  for (;;) {
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) }).catch(() => undefined)
    if (response !== undefined) return response.status
    await sleep(50)
  }
}

t.test('a log that cannot be written holds up neither requests nor the end', async (t) => {
  const launch = async (output: Output) => {
    const port = String(await freePort())
    const settings = { HOST: '127.0.0.1', PORT: port, DATA_DIR: temporaryFolder(t), LOG_FORMAT: 'json' }
    const child = spawn(process.execPath, ['src/main.ts'], { env: { ...BARE_ENVIRONMENT, ...settings }, stdio: ['ignore', output, 'ignore'] })
    t.teardown(() => child.kill('SIGKILL'))
    return { child, url: `http://127.0.0.1:${port}/api/v1/health` }
  }

  await t.test('whoever read it has gone', async (t) => {
    const { child, url } = await launch('pipe')
    await once(child.stdout as Readable, 'data')
    child.stdout?.destroy()
    t.equal(await answered(url), 200)
    t.equal(await answered(url), 200)
    child.kill('SIGTERM')
    t.same(await once(child, 'exit'), [0, null])
  })

  await t.test('its disk is full', { skip: process.platform !== 'linux' && 'there is no /dev/full' }, async (t) => {
    const full = openSync('/dev/full', 'w')
    const { child, url } = await launch(full)
    closeSync(full)
    t.equal(await answered(url), 200)
    t.equal(await answered(url), 200)
    child.kill('SIGTERM')
    t.same(await once(child, 'exit'), [0, null])
  })
})
