import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Test } from 'tap'

/** The server as people start it, in a process of its own. */
export type ServerProcess = Readonly<{
  url: string
  pid: number
  output(): string
  running(): boolean
  /** Sends a signal and resolves with the exit code, or null when the signal ended the process. */
  end(signal: NodeJS.Signals): Promise<number | null>
}>

/** What a process of ours needs of the environment, and nothing that would be a setting: run.ts says where the cache is. */
export const BARE_ENVIRONMENT = { PATH: process.env['PATH'], NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }

/** A new folder that goes with the test. */
export function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'docket-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The server while it starts: `listens` rejects with what it said if it ends instead. */
export type StartingServer = Readonly<{ listens: Promise<ServerProcess>; end: ServerProcess['end'] }>

/**
 * Starts src/main.ts, on a port of its own unless PORT names one, and resolves when it listens, or rejects with what it said when it ended instead.
 * @param watch is told, each time the server says something, all that it has said
 */
export function startServer(t: Test, environment: Record<string, string>, watch = (_output: string) => {}): Promise<ServerProcess> {
  return launchServer(t, environment, watch).listens
}

/** The same without waiting until it listens. */
export function launchServer(t: Test, environment: Record<string, string>, watch = (_output: string) => {}): StartingServer {
  return launch(t, 'src/main.ts', '/docs', environment, watch)
}

/** Starts src/worker.ts, and resolves when it works jobs, or rejects with what it said when it ended instead. */
export function startWorker(t: Test, environment: Record<string, string>): Promise<ServerProcess> {
  return launch(t, 'src/worker.ts', 'Docket works jobs', environment).listens
}

/** @param ready what it says when it has started */
function launch(t: Test, script: string, ready: string, environment: Record<string, string>, watch = (_output: string) => {}): StartingServer {
  const child = spawn(process.execPath, [script], {
    env: {
      ...BARE_ENVIRONMENT,
      HOST: '127.0.0.1',
      PORT: '0',
      LOG_FORMAT: 'json',
      ARGON2_MEMORY_KIB: '1024',
      RATE_LIMIT: 'off',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  const server: ServerProcess = {
    // It tells its port before it is ready; the worker has none.
    get url() {
      return `http://127.0.0.1:${/Docket listens on \S+:(\d+)/.exec(output)?.[1]}`
    },
    pid: child.pid ?? 0,
    output: () => output,
    running: () => child.exitCode === null && child.signalCode === null,
    end: (signal) => end(child, signal),
  }
  const listens = new Promise<ServerProcess>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk
      watch(output)
      if (output.includes(ready)) resolve(server)
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.once('close', () => reject(new Error(output)))
  })
  listens.catch(() => undefined)
  return { listens, end: server.end }
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  return new Promise((resolve) => {
    child.once('close', resolve)
    child.kill(signal)
  })
}
