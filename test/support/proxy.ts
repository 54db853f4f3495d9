import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import type { Test } from 'tap'
import { freePort } from './postgres.ts'
import { temporaryFolder } from './process.ts'

const HAPROXY = process.env['HAPROXY'] ?? '/usr/sbin/haproxy'
const CONFIGURATION = path.resolve(import.meta.dirname, '../../docs/haproxy.cfg')

export type RunningProxy = Readonly<{
  url: string
  /** What it has said of the instances. */
  output(): string
}>

/**
 * HAProxy as people run it, with docs/haproxy.cfg, of which the addresses alone are others: those of the two instances. It ends with the test. Undefined,
 * and the test skipped, where there is no HAProxy, unless DOCKET_PROXY=required makes it fail.
 */
export async function startProxy(t: Test, instances: readonly [string, string]): Promise<RunningProxy | undefined> {
  if (!existsSync(HAPROXY)) {
    const reason = `no HAProxy at ${HAPROXY}: install it (apt-get install haproxy) or say where it is with HAPROXY=…`
    if (process.env['DOCKET_PROXY'] === 'required') throw new Error(reason)
    t.plan(0, reason)
    return undefined
  }
  const port = await freePort()
  const file = path.join(temporaryFolder(t), 'haproxy.cfg')
  const [first, second] = instances.map((url) => new URL(url).host) as [string, string]
  writeFileSync(
    file,
    replaced(readFileSync(CONFIGURATION, 'utf8'), { ' :8080': ` 127.0.0.1:${port}`, ' api-1:3000': ` ${first}`, ' api-2:3000': ` ${second}` }),
  )
  const proxy = spawn(HAPROXY, ['-f', file], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => proxy.kill('SIGKILL'))
  let output = ''
  for (const stream of [proxy.stdout, proxy.stderr]) stream.on('data', (chunk) => (output += chunk))
  while (!(await listens(port))) if (proxy.exitCode !== null) throw new Error(output)
  return { url: `http://127.0.0.1:${port}`, output: () => output }
}

/** The text with each of these in the place of what must occur in it once. */
export function replaced(text: string, replacements: Readonly<Record<string, string>>): string {
  return Object.entries(replacements).reduce((result, [from, to]) => {
    const [before, after, ...more] = result.split(from)
    if (before === undefined || after === undefined || more.length > 0) throw new Error(`The configuration must have "${from}" once.`)
    return before + to + after
  }, text)
}

export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => setTimeout(resolve, 20, false))
  })
}
