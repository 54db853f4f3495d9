import { spawn } from 'node:child_process'
import { chownSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Test } from 'tap'
import { freePort } from './postgres.ts'
import { temporaryFolder } from './process.ts'
import { listens, replaced } from './proxy.ts'

const PGBOUNCER = process.env['PGBOUNCER'] ?? '/usr/sbin/pgbouncer'
const CONFIGURATION = path.resolve(import.meta.dirname, '../../docs/pgbouncer.ini')

/** PgBouncer refuses to run as root. */
const NOBODY = 65_534

/**
 * PgBouncer as people run it, with docs/pgbouncer.ini, of which the addresses alone are others, and its size: so few connections to the server that each is
 * lent to many. It ends with the test. @returns the URL of the database through it. Undefined, and the test skipped, where there is no PgBouncer, unless
 * DOCKET_POOLER=required makes it fail.
 * @param edit changes more of the file
 */
export async function startPooler(t: Test, databaseUrl: string, edit = (configuration: string) => configuration): Promise<string | undefined> {
  if (!existsSync(PGBOUNCER)) {
    const reason = `no PgBouncer at ${PGBOUNCER}: install it (apt-get install pgbouncer) or say where it is with PGBOUNCER=…`
    if (process.env['DOCKET_POOLER'] === 'required') throw new Error(reason)
    t.plan(0, reason)
    return undefined
  }
  const port = await freePort()
  const folder = temporaryFolder(t)
  const file = path.join(folder, 'pgbouncer.ini')
  const users = path.join(folder, 'userlist.txt')
  const { username, hostname, port: serverPort, pathname } = new URL(databaseUrl)
  writeFileSync(users, `"${username}" "pw"\n`)
  const configuration = replaced(readFileSync(CONFIGURATION, 'utf8'), {
    'host=database port=5432 dbname=docket': `host=${hostname} port=${serverPort} dbname=${pathname.slice(1)}`,
    'listen_addr = *': 'listen_addr = 127.0.0.1\nunix_socket_dir =',
    'listen_port = 6432': `listen_port = ${port}`,
    '/etc/pgbouncer/userlist.txt': users,
    'default_pool_size = 20': 'default_pool_size = 4',
  })
  writeFileSync(file, edit(configuration))
  const root = process.getuid?.() === 0
  if (root) for (const name of [folder, file, users]) chownSync(name, NOBODY, NOBODY)
  const pooler = spawn(PGBOUNCER, [file], { stdio: ['ignore', 'ignore', 'pipe'], ...(root && { uid: NOBODY, gid: NOBODY }) })
  t.teardown(() => pooler.kill('SIGKILL'))
  let output = ''
  pooler.stderr.on('data', (chunk) => (output += chunk))
  while (!(await listens(port))) if (pooler.exitCode !== null) throw new Error(output)
  return `postgres://${username}:pw@127.0.0.1:${port}/docket`
}
