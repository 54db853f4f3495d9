import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import t from 'tap'
import { AUTH_SECRET } from '../support/app.ts'
import { databaseUrl, execute } from '../support/postgres.ts'
import { BARE_ENVIRONMENT } from '../support/process.ts'

const server = process.env['DOCKET_TEST_SERVER']

async function migrate(url: string, ...parameters: string[]): Promise<{ code: number; output: string; errors: string }> {
  const child = spawn(process.execPath, ['src/commands/migrate.ts', ...parameters], { env: { ...BARE_ENVIRONMENT, AUTH_SECRET, DATABASE_URL: url } })
  const ended = new Promise<number>((resolve) => child.once('close', resolve))
  const [output, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { code, output, errors }
}

t.test('migrate', { skip: server === undefined && 'there is no server to migrate on' }, async (t) => {
  if (server === undefined) return
  const [database, role] = [`migrate_${process.pid}`, `poor_${process.pid}`]
  await execute(server, `create database ${database}`)
  await execute(server, `create role ${role} login`)
  t.teardown(async () => {
    await execute(server, `drop database ${database}`)
    await execute(server, `drop role ${role}`)
  })
  const migrated = databaseUrl(server, database)
  const as = (name: string) => Object.assign(new URL(migrated), { username: name, password: '' }).href

  for (const [what, url, message] of [
    ['nobody listens', 'postgres://docket@127.0.0.1:9/docket', /^connect ECONNREFUSED 127\.0\.0\.1:9\. Set DATABASE_URL to .*\n$/],
    ['nobody listens, at either address', 'postgres://docket@localhost:9/docket', /^connect ECONNREFUSED \S+:9\. Set DATABASE_URL to .*\n$/],
    ['there is no such database', databaseUrl(server, 'nowhere'), /^database "nowhere" does not exist\. Set DATABASE_URL to .*\n$/],
    ['there is no such role', as('nobody_at_all'), /^role "nobody_at_all" does not exist\. Set DATABASE_URL to .*\n$/],
    ['the role may create nothing', as(role), /^permission denied for schema public\. Make the role of DATABASE_URL the owner of its database\.\n$/],
  ] as const) {
    await t.test(`says in a sentence that ${what}`, async (t) => {
      const { code, output, errors } = await migrate(url)
      t.same({ code, output }, { code: 1, output: '' })
      t.match(errors, message)
    })
  }

  await t.test('takes no other parameters', async (t) => {
    for (const parameters of [['up'], ['--help'], ['down', '2']]) {
      const { code, errors } = await migrate(migrated, ...parameters)
      t.equal(code, 1, parameters.join(' '))
      t.match(errors, /^Usage: npm run migrate, npm run migrate -- down\n$/)
    }
  })

  await t.test('names what it did, undoes the last, and says when there is nothing to do', async (t) => {
    const { code, output } = await migrate(migrated)
    t.equal(code, 0)
    const names = output.trimEnd().split('\n')
    t.match(names[0], /create-users$/)
    t.equal((await migrate(migrated)).output, 'Nothing to do.\n')
    const last = names.filter((name) => /^\d{8}T/.test(name)).at(-1)
    t.equal((await migrate(migrated, 'down')).output, `${last}\n`)
    t.equal((await migrate(migrated)).output, `${last}\n`)
  })

  await t.test('says in a sentence that somebody else holds a table', async (t) => {
    const holder = new pg.Client({ connectionString: migrated })
    await holder.connect()
    await holder.query('begin; lock table kysely_migration_lock in access exclusive mode')
    const { code, errors } = await migrate(migrated, 'down')
    await holder.end()
    t.equal(code, 1)
    t.match(errors, /^canceling statement due to lock timeout\. Something else holds the tables, such as a dump: try again when it is done\.\n$/)
    t.equal((await migrate(migrated, 'down')).code, 0, 'nothing has been changed')
  })
})
