import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { freePort } from './postgres.ts'

const REDIS_SERVER = process.env['REDIS_SERVER'] ?? '/usr/bin/redis-server'

/** A store that a test may kill, start again on the same port, stop and let go on. It keeps nothing, and ends with the test. */
export type RedisServer = Readonly<{ url: string; kill(): Promise<void>; start(): Promise<void>; signal(signal: 'SIGSTOP' | 'SIGCONT'): void }>

/** Undefined, and the test skipped, where there is no Redis or Valkey server, unless DOCKET_REDIS=required makes it fail. */
export async function startRedis(t: Test): Promise<RedisServer | undefined> {
  if (!existsSync(REDIS_SERVER)) {
    const reason = `no Redis server at ${REDIS_SERVER}: install it (apt-get install redis-server) or say where it is with REDIS_SERVER=…`
    if (process.env['DOCKET_REDIS'] === 'required') throw new Error(reason)
    t.plan(0, reason)
    return undefined
  }
  const port = await freePort()
  let server: ChildProcess
  const start = async () => {
    server = spawn(REDIS_SERVER, ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], { stdio: 'ignore' })
    while (!(await answers(port))) await sleep(20)
  }
  const kill = async () => {
    if (server.exitCode !== null || server.signalCode !== null) return
    const ended = new Promise((resolve) => server.once('exit', resolve))
    server.kill('SIGKILL')
    await ended
  }
  t.teardown(kill)
  await start()
  return { url: `redis://127.0.0.1:${port}`, kill, start, signal: (signal) => void server.kill(signal) }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    socket.once('data', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
