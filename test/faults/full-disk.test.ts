import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import type { Answer } from '../../src/contract/types.ts'
import { PASSWORD } from '../support/app.ts'
import { callerOf } from '../support/client.ts'
import { databaseUrl, execute, type PostgresServer, startPostgres } from '../support/postgres.ts'
import { startServer } from '../support/process.ts'
import { DURABLE, startInstance, storedIn, THOROUGH, until } from './cluster.ts'
import { isUnavailable, Load, succeeded, summaryOf } from './load.ts'

/** Bytes that are left for tasks before the disk is full. */
const ROOM = 6 * 1024 * 1024
const READS = ['getTask', 'listTasks', 'listLists', 'getMe']

t.test('a disk that is full', async (t) => {
  await t.test('where the tables are: reads go on', (t) => fillDisk(t, true))
  // Without room for its log or the state of transactions PostgreSQL ends, and may not come back before there is some.
  if (THOROUGH) await t.test('where everything is', (t) => fillDisk(t, false))
})

t.test('a disk of the embedded database that is nearly full: nothing is stored, reads go on, and so does all when there is room again', async (t) => {
  const disk = mountDisk(t, '256m')
  if (typeof disk === 'string') {
    if (process.env['DOCKET_TMPFS'] === 'required') throw new Error(disk)
    t.pass(disk, { skip: disk })
    return
  }
  const environment = { DATA_DIR: disk.folder, SHUTDOWN_GRACE_MS: '0' }
  const server = await startServer(t, environment)
  const call = (token?: string) => callerOf(server.url, token, new Map<string, Answer>())
  const ada = { username: 'ada', email: 'ada@example.com', password: PASSWORD }
  const { accessToken } = (await call()('register', { body: ada, expect: 201 })).body
  const createLargeTask = () => call(accessToken)('createTask', { body: { title: 'large', description: randomBytes(7000).toString('base64') } })
  disk.fillUpTo(34 * 1024 * 1024)
  let created = 0
  let answer = await createLargeTask()
  for (; answer.status === 201; answer = await createLargeTask()) created += 1
  t.match(answer, { status: 503, body: { code: 'UNAVAILABLE' } })
  const again = () => call(accessToken)('createTask', { body: { title: 'once' }, headers: { 'Idempotency-Key': 'the-same-key-again' } })
  t.match(await again(), { status: 503, body: { code: 'UNAVAILABLE' } })
  t.equal((await call(accessToken)('listTasks', { query: { limit: 1 }, expect: 200 })).body.items.length, 1)
  disk.empty()
  t.equal((await createLargeTask()).status, 201)
  t.match(await again(), { status: 201, body: { title: 'once' } })
  t.equal(await server.end('SIGTERM'), 0)
  disk.fillUpTo(20 * 1024 * 1024)
  await t.rejects(startServer(t, environment), { message: /The disk of .* is nearly full/ })
  t.comment(`${created} large tasks until then`)
})

/** @param tablesAlone whether only the tables are on that disk, and the log of PostgreSQL is not */
async function fillDisk(t: Test, tablesAlone: boolean): Promise<void> {
  const disk = mountDisk(t)
  if (typeof disk === 'string') {
    if (process.env['DOCKET_TMPFS'] === 'required') throw new Error(disk)
    t.pass(disk, { skip: disk })
    return
  }
  const postgres = await startPostgres({
    ...(!tablesAlone && { data: path.join(disk.folder, 'data') }),
    initdbFlags: ['--wal-segsize=1'],
    settings: { ...DURABLE, max_wal_size: '4MB', min_wal_size: '4MB', shared_buffers: '16MB' },
  })
  disk.holds(postgres)
  if (tablesAlone) await execute(postgres.url, `create tablespace small location '${disk.folder}'`)
  await execute(postgres.url, `create database docket ${tablesAlone ? 'tablespace small' : ''}`)
  const url = databaseUrl(postgres.url, 'docket')
  const server = await startInstance(t, url)
  const call = (token?: string) => callerOf(server.url, token, new Map<string, Answer>())
  const ada = { username: 'ada', email: 'ada@example.com', password: PASSWORD }
  const { accessToken } = (await call()('register', { body: ada, expect: 201 })).body
  // Large, and it cannot be compressed.
  const createLargeTask = () => call(accessToken)('createTask', { body: { title: 'large', description: randomBytes(7000).toString('base64') } })
  const created: string[] = []
  const fill = async () => {
    for (;;) {
      const { status, body } = await createLargeTask()
      if (status !== 201) return status
      created.push(body.id)
    }
  }

  const load = await Load.start(server.url, { perSecond: 60 })
  t.teardown(() => load.stop())
  await load.succeeds()
  disk.fillUpTo(ROOM)
  t.equal(await fill(), 503)
  const fullAt = performance.now()
  t.ok(created.length > 50, `full after ${created.length} tasks`)
  t.match(await createLargeTask(), { status: 503, body: { code: 'UNAVAILABLE' } })
  await until('enough is read meanwhile', () => load.since(fullAt).filter(({ operation }) => READS.includes(operation)).length >= 60)
  const whileFull = load.since(fullAt)

  disk.empty()
  await until('it can be written again, without a restart', async () => (await createLargeTask()).status === 201)
  await load.succeeds()
  await load.stop()

  t.ok(server.running())
  const reads = whileFull.filter(({ operation }) => READS.includes(operation))
  const reasons = server
    .output()
    .split('\n')
    .filter((line) => line.includes('the database is not available'))
    .map((line) => JSON.parse(line).error)
  t.comment(`Why it was 503: ${[...new Set(reasons)].join('; ')}`)
  const failedReads = reads.filter((outcome) => !succeeded(outcome))
  if (tablesAlone) t.same(failedReads, [], 'reads go on')
  t.same(
    load.outcomes.filter((outcome) => !succeeded(outcome) && !isUnavailable(outcome)),
    [],
    'a success or 503 with Retry-After',
  )
  const stored = await storedIn(url)
  t.same(load.ledger.lost(stored), [], 'nothing acknowledged is lost')
  t.same(
    created.filter((id) => !stored.tasks.has(id)),
    [],
  )
  t.comment(`while full: ${summaryOf(whileFull)}; ${created.length} large tasks`)
}

/** A disk in memory, or why there is none: mounting takes root, and a system that lets it. */
function mountDisk(t: Test, size = '64m') {
  const folder = mkdtempSync(path.join(tmpdir(), 'docket-disk-'))
  const removed = () => rmSync(folder, { recursive: true, force: true })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700,uid=65534,gid=65534`, 'docket-test', folder], { stdio: 'pipe' })
  } catch (error) {
    removed()
    return `A disk of memory cannot be mounted here: ${(error as Error).message.trim()}`
  }
  let postgres: PostgresServer | undefined
  t.teardown(async () => {
    await postgres?.stop()
    execFileSync('umount', [folder])
    removed()
  })
  const filler = path.join(folder, 'filler')
  return {
    folder,
    /** Ends with the disk. */
    holds(server: PostgresServer) {
      postgres = server
    },
    /** Leaves this many bytes. */
    fillUpTo(room: number) {
      const { bavail, bsize } = statfsSync(folder)
      writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - room)))
    },
    empty: () => rmSync(filler),
  }
}
