import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Test } from 'tap'
import { type PostgresServer, startPostgres } from '../support/postgres.ts'
import { type ServerProcess, startServer } from '../support/process.ts'
import type { Stored } from './ledger.ts'

/** Set by `npm run test:faults`: more rounds, and longer ones. */
export const THOROUGH = process.env['DOCKET_FAULTS'] === 'thorough'

/** What promises nothing to a disk may lose what it acknowledged when its server is killed. */
const DURABLE = { fsync: 'on', full_page_writes: 'on', synchronous_commit: 'on' }

/** A PostgreSQL server that keeps what it acknowledges. */
export async function startDurablePostgres(t: Test, options: Parameters<typeof startPostgres>[0] = {}): Promise<PostgresServer> {
  const postgres = await startPostgres({ ...options, settings: { ...DURABLE, ...options.settings } })
  t.teardown(() => postgres.stop())
  return postgres
}

/** Docket as a process of its own, on a PostgreSQL server. */
export function startInstance(t: Test, url: string, environment: Record<string, string> = {}): Promise<ServerProcess> {
  return startServer(t, { DATABASE_URL: url, AUTH_SECRET: 'q9Wf3kTz7LxV1mPbR8sYcD2gH5jN6uEa', ...environment })
}

export async function rowsOf<Row extends pg.QueryResultRow>(url: string, statement: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<Row>(statement)).rows
  } finally {
    await client.end()
  }
}

export async function storedIn(url: string): Promise<Stored> {
  const tasks = await rowsOf<{ id: string; title: string }>(url, 'select id, title from tasks')
  const users = await rowsOf<{ username: string }>(url, 'select username from users')
  return { tasks: new Map(tasks.map(({ id, title }) => [id, title])), usernames: new Set(users.map(({ username }) => username)) }
}

/** Resolves when it holds, and fails when it does not within half a minute. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const startedAt = performance.now(); !(await holds()); await sleep(10)) {
    if (performance.now() - startedAt > 30_000) throw new Error(`${what}: not within half a minute`)
  }
}

/** A way to a PostgreSQL server that can become a black hole: nobody hears of it, neither then nor when the way is free again for others. */
export async function startProxy(t: Test, target: string): Promise<Readonly<{ url: string; swallow(): void; restore(): void }>> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let open = true
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    let lost = !open
    const dies = () => {
      lost ||= !open
      return lost
    }
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('data', (data) => dies() || to.write(data))
      from.on('error', () => undefined)
      from.on('close', () => {
        sockets.delete(from)
        if (!dies()) to.destroy()
      })
    }
    losing.add(() => {
      lost = true
    })
  })
  const losing = new Set<() => void>()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const url = new URL(target)
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    swallow() {
      open = false
      for (const lose of losing) lose()
      losing.clear()
    },
    restore() {
      open = true
    },
  }
}
