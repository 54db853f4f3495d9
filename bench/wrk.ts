import { execFile, execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Request } from './workloads.ts'

const SCRIPT = path.join(import.meta.dirname, 'wrk.lua')

/** What wrk saw: requests, its own clock, and the time of an answer in microseconds. */
export type Load = Readonly<{ requests: number; microseconds: number; failures: number; p50: number; p99: number }>

export function requireWrk(): void {
  try {
    execFileSync('which', ['wrk'], { stdio: 'ignore' })
  } catch {
    throw new Error('wrk is missing: it is in the package wrk of Debian, Ubuntu and Homebrew.')
  }
}

/** One thread of wrk sends more requests a second than both cores could answer. It asks again as soon as it has an answer, on each connection. */
export async function sendLoad(host: string, requests: readonly Request[], connections: number, seconds: number, folder: string): Promise<Load> {
  const file = path.join(folder, 'requests')
  writeFileSync(file, requests.map((request) => onTheWire(host, request)).join('\0'))
  const { stdout } = await promisify(execFile)('wrk', [
    ...['--threads', '1', '--connections', String(connections), '--duration', `${seconds}s`, '--timeout', '10s'],
    ...['--script', SCRIPT, `http://${host}`, '--', file, '1'],
  ])
  return JSON.parse(stdout.trim().split('\n').at(-1) as string)
}

function onTheWire(host: string, { method, path: where, token, headers = {}, body }: Request): string {
  const text = body === undefined ? '' : JSON.stringify(body)
  const lines = [
    `${method} /api/v1${where} HTTP/1.1`,
    `Host: ${host}`,
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(body === undefined ? [] : ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(text)}`]),
  ]
  return `${lines.join('\r\n')}\r\n\r\n${text}`
}
