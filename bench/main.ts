/**
 * Measures Docket beside what the same work costs by hand (limit.ts), on one PostgreSQL, in alternating rounds. Linux only: CPU time is read from /proc.
 * Usage: npm run bench -- [--smoke] [--rounds 5] [--seconds 3] [--connections n] [--only "GET task"]… [--out folder]
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { hash } from 'argon2'
import pg from 'pg'
import { migrateServer } from '../src/database/migrate.ts'
import { updateSchema } from '../src/schema.ts'
import { databaseUrl, execute, startPostgres } from '../test/support/postgres.ts'
import { FULL, loadData, SMALL } from './data.ts'
import { type Figures, type Measurement, tableOf } from './figures.ts'
import { type Line, plotOf } from './plot.ts'
import { cpuOf, cpuOfFamily, memoryOf, parentOf, type Server, startServer } from './processes.ts'
import { ask, type Belongings, findTargets, PASSWORD, PLOTTED, type Request, WORKLOADS } from './workloads.ts'
import { requireWrk, sendLoad } from './wrk.ts'

const { values: options } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string' },
    only: { type: 'string', multiple: true },
    out: { type: 'string' },
  },
})
const size = options.smoke ? SMALL : FULL
const rounds = options.smoke ? 1 : Number(options.rounds)
const seconds = options.smoke ? 1 : Number(options.seconds)
/** Each workload runs so long before it is measured: V8 compiles what it needs again, and again, in the first seconds. */
const warmSeconds = options.smoke ? 0 : 3
const connectionsOf = (usual: number) => Number(options.connections ?? usual)
const names = WORKLOADS.map(({ name }) => name)
const unknown = options.only?.find((name) => !names.includes(name))
if (unknown !== undefined) {
  process.stderr.write(`There is no workload "${unknown}". There are: ${names.map((name) => `"${name}"`).join(', ')}\n`)
  process.exit(1)
}
const workloads = WORKLOADS.filter(({ name }) => options.only === undefined || options.only.includes(name))

/** Docket's own hash of a password, so that logging in costs what it costs there. */
const ARGON2 = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }
const IDLE_SECONDS = 3

const say = (text: string) => process.stdout.write(`${text}\n`)

async function main(): Promise<void> {
  requireWrk()
  const folder = mkdtempSync(path.join(tmpdir(), 'docket-bench-'))
  // Nothing but requests is to make work: autovacuum would fall into one round and not into the other.
  const postgres = await startPostgres({ settings: { autovacuum: 'off', shared_buffers: '1GB', max_wal_size: '8GB', checkpoint_timeout: '1h' } })
  try {
    await execute(postgres.url, 'create database bench')
    const url = databaseUrl(postgres.url, 'bench')
    await migrateServer(url, updateSchema)
    say(`loading ${size.users} users x ${size.lists} lists x ${size.tasks} tasks, and users with ${size.sizes.join(', ')} tasks …`)
    await loadData(url, size, await hash(PASSWORD, ARGON2))
    const bench = { url, folder, postgres: await postmasterOf(url), belongings: await belongingsIn(url) }

    await compareAnswers(bench)
    const figures: Figures = { docket: { rounds: new Map(), processes: [] }, limit: { rounds: new Map(), processes: [] } }
    for (let round = 1; round <= rounds; round++) {
      say(`round ${round} of ${rounds}`)
      for (const name of ['docket', 'limit'] as const) await runRound(bench, name, figures)
    }
    const table = tableOf(figures)
    say(`\n${table}`)
    if (options.only === undefined) {
      const plot = plotOf('CPU of server and PostgreSQL a request, µs (dashed: PostgreSQL alone)', await plotSizes(bench))
      if (options.out !== undefined) {
        mkdirSync(options.out, { recursive: true })
        writeFileSync(path.join(options.out, 'cost-by-size.svg'), plot)
        writeFileSync(path.join(options.out, 'table.md'), `${table}\n`)
      }
    }
  } finally {
    await postgres.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

type Bench = Readonly<{ url: string; folder: string; postgres: number; belongings: Belongings }>

/** Every workload once on one server, which is started for it. */
async function runRound(bench: Bench, name: Server['name'], figures: Figures): Promise<void> {
  await serving(bench, name, async (server) => {
    await sleep(options.smoke ? 0 : IDLE_SECONDS * 1000)
    const idleMegabytes = memoryOf(server.pid).now
    const targets = await findTargets(server.host, size, bench.belongings)
    for (const workload of workloads) {
      const measured = await measure(bench, server, workload.requests(targets), connectionsOf(workload.connections))
      figures[name].rounds.set(workload.name, [...(figures[name].rounds.get(workload.name) ?? []), measured])
    }
    const { startMilliseconds } = server
    figures[name].processes.push({ startMilliseconds, idleMegabytes, peakMegabytes: memoryOf(server.pid).peak })
  })
}

async function measure({ folder, postgres }: Bench, server: Server, requests: readonly Request[], connections: number): Promise<Measurement> {
  if (warmSeconds > 0) await sendLoad(server.host, requests, connections, warmSeconds, folder)
  const before = { server: cpuOf(server.pid), postgres: cpuOfFamily(postgres) }
  const load = await sendLoad(server.host, requests, connections, seconds, folder)
  if (load.failures > 0)
    throw new Error(`${server.name}: ${load.failures} of ${load.requests} requests failed, such as those like ${requests[0]?.path}`)
  return {
    perSecond: load.requests / (load.microseconds / 1e6),
    server: (cpuOf(server.pid) - before.server) / load.requests,
    postgres: (cpuOfFamily(postgres) - before.postgres) / load.requests,
    p50: load.p50,
    p99: load.p99,
  }
}

async function plotSizes(bench: Bench): Promise<Line[]> {
  return serving(bench, 'docket', async (server) => {
    const { sizes } = await findTargets(server.host, size, bench.belongings)
    const lines: Line[] = []
    for (const { name, request } of PLOTTED) {
      const points = []
      for (const [index, person] of sizes.entries()) {
        const { server: own, postgres } = await measure(bench, server, [request(person)], connectionsOf(32))
        points.push({ tasks: size.sizes[index] as number, server: own, postgres })
      }
      lines.push({ name, points })
    }
    return lines
  })
}

/** The figures of two servers compare only if both do the same: each workload's first request must have the same answer, save for cursors, ids and times. */
async function compareAnswers(bench: Bench): Promise<void> {
  await serving(bench, 'docket', (docket) =>
    serving(bench, 'limit', async (limit) => {
      const [ours, theirs] = [await findTargets(docket.host, size, bench.belongings), await findTargets(limit.host, size, bench.belongings)]
      for (const { name, requests } of WORKLOADS) {
        const answer = comparable(await ask(docket.host, requests(ours)[0] as Request))
        const expected = comparable(await ask(limit.host, requests(theirs)[0] as Request))
        if (!isDeepStrictEqual(answer, expected)) throw new Error(`${name}: ${JSON.stringify(answer)}, but by hand ${JSON.stringify(expected)}`)
      }
    }),
  )
}

function comparable({ status, body }: { status: number; body: unknown }): unknown {
  const { items, nextCursor, ...rest } = (body ?? {}) as Record<string, unknown>
  if (items !== undefined) return { status, items, more: nextCursor !== null }
  const { id, createdAt, updatedAt, ...task } = rest
  return 'accessToken' in rest ? { status } : { status, task }
}

async function serving<Result>(bench: Bench, name: Server['name'], use: (server: Server) => Promise<Result>): Promise<Result> {
  const server = await startServer(name, bench.url, path.join(bench.folder, `${name}.log`))
  try {
    return await use(server)
  } finally {
    await server.stop()
  }
}

async function querying<Result>(url: string, use: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

const postmasterOf = (url: string) =>
  querying(url, async (client) => {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    return parentOf(rows[0]?.pid as number)
  })

/** Of each user the lists with tasks, and some tasks from all over them. */
const belongingsIn = (url: string) =>
  querying(url, async (client) => {
    const { rows } = await client.query<{ username: string; lists: string[]; tasks: string[] }>(
      `select username,
         array(select id::text from lists where owner_id = users.id and not inbox order by id) as lists,
         array(select id::text from (select id, row_number() over (order by md5(id::text)) as place from tasks where owner_id = users.id) shuffled
           where place <= 50 order by place) as tasks
       from users`,
    )
    return new Map(rows.map(({ username, lists, tasks }) => [username, { lists, tasks }]))
  })

await main()
