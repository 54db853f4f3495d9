import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import packageJson from '../package.json' with { type: 'json' }
import { freePort } from '../test/support/postgres.ts'

export type Server = Readonly<{
  name: 'docket' | 'limit'
  /** Host and port. */
  host: string
  pid: number
  /** From the start of the process to the first answer of 200. */
  startMilliseconds: number
  stop(): Promise<void>
}>

const SETTINGS = {
  NODE_ENV: 'production',
  HOST: '127.0.0.1',
  AUTH_SECRET: 'vX2mQ9rTz7LkW4sBn8Yd3HfJc6PgA1uE5iOe',
  // The limits count as ever and refuse nobody: a generator of load is one address.
  RATE_LIMIT_ANONYMOUS: '1000000',
  RATE_LIMIT_USER: '1000000',
}

const START_MILLISECONDS = 60_000

/** What `npm start` starts Node.js with, save for a file of settings. */
const FLAGS = packageJson.scripts.start
  .split(' ')
  .slice(1, -1)
  .filter((flag) => !flag.startsWith('--env-file'))

/** Starts Docket as in production, its log in a file, or the limit, and waits until it answers. */
export async function startServer(name: Server['name'], databaseUrl: string, logFile: string): Promise<Server> {
  const port = await freePort()
  const log = openSync(logFile, 'a')
  const startedAt = performance.now()
  const child = spawn(process.execPath, [...FLAGS, name === 'docket' ? 'src/main.ts' : 'bench/limit.ts'], {
    env: { PATH: process.env['PATH'], ...SETTINGS, DATABASE_URL: databaseUrl, PORT: String(port) },
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  const host = `127.0.0.1:${port}`
  const deadline = AbortSignal.timeout(START_MILLISECONDS)
  while (!(await answers(`http://${host}/api/v1/health`))) {
    deadline.throwIfAborted()
    if (child.exitCode !== null) throw new Error(`${name} ended: ${readFileSync(logFile, 'utf8')}`)
    await sleep(5)
  }
  return { name, host, pid: child.pid as number, startMilliseconds: performance.now() - startedAt, stop: () => stop(child) }
}

const answers = (url: string) =>
  fetch(url, { signal: AbortSignal.timeout(1000) }).then(
    ({ ok }) => ok,
    () => false,
  )

async function stop(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await ended
}

const TICK_MICROSECONDS = 10_000

/** CPU time of a process so far, in microseconds. */
export function cpuOf(pid: number): number {
  const { user, system } = statOf(pid)
  return (user + system) * TICK_MICROSECONDS
}

/** CPU time of a process, its children, and those of its children that have ended. */
export function cpuOfFamily(pid: number): number {
  const { user, system, endedUser, endedSystem } = statOf(pid)
  const ticks = childrenOf(pid).reduce((sum, child) => sum + child.user + child.system, user + system + endedUser + endedSystem)
  return ticks * TICK_MICROSECONDS
}

function childrenOf(pid: number): ReturnType<typeof statOf>[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const stat = statOf(Number(name))
      return stat.parent === pid ? [stat] : []
    } catch {
      // It has ended since.
      return []
    }
  })
}

export const parentOf = (pid: number) => statOf(pid).parent

/** proc_pid_stat(5); clock ticks are 10 ms on every Linux that Node.js runs on. */
function statOf(pid: number) {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  const [parent = 0, user = 0, system = 0, endedUser = 0, endedSystem = 0] = [1, 11, 12, 13, 14].map((index) => fields[index])
  return { parent, user, system, endedUser, endedSystem }
}

/** Megabytes that are, and at most were, resident (proc_pid_status(5)). */
export function memoryOf(pid: number): { now: number; peak: number } {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8')
  const megabytes = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(text)?.[1]) / 1024
  return { now: megabytes('VmRSS'), peak: megabytes('VmHWM') }
}
