import { sql } from 'kysely'
import t from 'tap'
import { healthHandlers } from '../../src/health/handlers.ts'
import { VERSION } from '../../src/version.ts'
import { startApp } from '../support/app.ts'
import { send } from '../support/client.ts'

t.test('health', async (t) => {
  const { as, context, url } = await startApp(t)
  const { lifecycle, db } = context
  const CHECKS = ['database', 'migrations', 'jobs', 'memory', 'disk'] as const

  t.test('getLiveness: 200 to anybody', async (t) => {
    const { body, headers } = await as()('getLiveness', { expect: 200 })
    t.same(body, { status: 'ok' })
    t.equal(headers.get('cache-control'), 'no-store')
    t.equal((await send(url, 'getLiveness', 'no token of ours', {})).status, 200)
    t.equal((await as()('getLiveness', { query: { verbose: true } } as never)).status, 422)
  })

  t.test('getReadiness: 200 to anybody, with every check healthy', async (t) => {
    const before = process.uptime()
    const { body, headers } = await as()('getReadiness', { expect: 200 })
    t.match(body, { status: 'healthy', service: 'docket', version: VERSION })
    for (const check of CHECKS) t.equal(body.checks[check].status, 'healthy', check)
    t.match(body.checks.database.detail, /^\d+ ms$/)
    t.equal(headers.get('cache-control'), 'no-store')
    t.equal(headers.get('retry-after'), null)
    t.ok(body.uptimeSeconds <= process.uptime() && body.uptimeSeconds >= Math.floor(before))
    const { body: later } = await as()('getReadiness', { expect: 200 })
    t.ok(later.timestamp >= body.timestamp)
    t.ok(later.uptimeSeconds >= body.uptimeSeconds)
  })

  t.test('getReadiness: whoever asks while it is looked at gets the same answer', async (t) => {
    const { getReadiness } = healthHandlers(context)
    const queriesFor = async (askers: number) => {
      const queries = t.capture(db, 'getExecutor', db.getExecutor)
      // Of the same turn of the event loop, which requests are by chance alone.
      await Promise.all(Array.from({ length: askers }, () => getReadiness({} as never, (() => undefined) as never)))
      return queries().length
    }
    const alone = await queriesFor(1)
    t.ok(alone > 0)
    t.ok((await queriesFor(50)) <= alone)
  })

  t.test('getReadiness: 503 while draining; liveness and everything else go on, and connections close', async (t) => {
    lifecycle.draining = true
    const { body, headers } = await as()('getReadiness', { expect: 503 })
    t.equal(body.status, 'unhealthy')
    for (const check of CHECKS) t.equal(body.checks[check].status, 'healthy', check)
    t.match(headers.get('retry-after'), /^\d+$/)
    t.equal(headers.get('connection'), 'close')
    t.equal((await as()('getLiveness')).status, 200)
    t.equal((await as()('listLists')).status, 401)
    lifecycle.draining = false
    t.equal((await as()('getReadiness')).status, 200)
  })

  t.test('getReadiness: 503 while the newest migration is missing', async (t) => {
    const { rows } = await sql<{ name: string; timestamp: string }>`
      delete from kysely_migration where name = (select max(name) from kysely_migration) returning name, timestamp`.execute(db)
    const [newest] = rows
    const { body } = await as()('getReadiness', { expect: 503 })
    t.match(body, { status: 'unhealthy', checks: { database: { status: 'healthy' }, migrations: { status: 'unhealthy' } } })
    await sql`insert into kysely_migration (name, timestamp) values (${newest?.name}, ${newest?.timestamp})`.execute(db)
    t.equal((await as()('getReadiness')).status, 200)
  })

  t.test('getReadiness: 200 with a migration that is newer than ours, as while versions are rolled out', async (t) => {
    await sql`insert into kysely_migration (name, timestamp) values ('99991231T2359-from-the-future', '')`.execute(db)
    t.equal((await as()('getReadiness')).status, 200)
  })

  t.test('getReadiness: 503 on a database that was never migrated', async (t) => {
    await sql`alter table kysely_migration rename to kysely_migration_gone`.execute(db)
    t.match(await as()('getReadiness', { expect: 503 }), { body: { checks: { migrations: { status: 'unhealthy' } } } })
    t.equal((await as()('getLiveness')).status, 200)
    await sql`alter table kysely_migration_gone rename to kysely_migration`.execute(db)
    t.equal((await as()('getReadiness')).status, 200)
  })
})
