import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { pino } from 'pino'
import t from 'tap'
import { Passwords } from '../../src/auth/passwords.ts'
import { openDatabase } from '../../src/database/client.ts'
import type { Database } from '../../src/database/database.ts'
import { createDatabase, EMBEDDED, PASSWORD, testConfig } from '../support/app.ts'
import { BARE_ENVIRONMENT, temporaryFolder } from '../support/process.ts'

const COMMAND = path.resolve(import.meta.dirname, '../../src/commands/create-admin.ts')
const { AUTH_SECRET, ...CHEAP } = { AUTH_SECRET: 'q9Wf3kTz7LxV1mPbR8sYcD2gH5jN6uEa', ARGON2_MEMORY_KIB: '1024', ARGON2_ITERATIONS: '1' }

/** The command as a process of its own: what it says and how it ends. */
async function createAdmin(environment: Record<string, string>, parameters: string[], input = '') {
  const child = spawn(process.execPath, [COMMAND, ...parameters], { env: { ...BARE_ENVIRONMENT, ...CHEAP, ...environment }, stdio: 'pipe' })
  child.stdin.end(input)
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: child.exitCode, output, errors }
}

t.test('create-admin', async (t) => {
  const url = await createDatabase(t)
  const DATA_DIR = temporaryFolder(t)
  const settings: Record<string, string> = url === undefined ? { DATA_DIR } : { DATABASE_URL: url, AUTH_SECRET }
  const { database, auth } = testConfig(url, url === undefined ? { DATA_DIR } : {})
  const hashing = auth.passwordHash

  /** Looks into a database, which nobody else may be using if it is an embedded one. */
  async function lookInto<T>(look: (db: Database) => Promise<T>): Promise<T> {
    const { db, close } = await openDatabase(database, pino({ level: 'silent' }))
    return look(db).finally(close)
  }
  const findUser = (username: string) =>
    lookInto((db) => db.selectFrom('users').selectAll().where('username', '=', username).executeTakeFirstOrThrow())

  await t.test('creates an admin with an inbox and the password of the environment', async (t) => {
    const { code, output, errors } = await createAdmin({ ...settings, DOCKET_PASSWORD: ` ${PASSWORD} ` }, [' root\n', ' Root@Example.com '])
    t.same({ code, output, errors }, { code: 0, output: 'root is registered as an admin.\n', errors: '' })
    const user = await findUser('root')
    t.match(user, { email: 'Root@Example.com', email_verified_at: /Z$/, role: 'admin', disabled_at: null })
    t.equal(await new Passwords(hashing).verify(user.password_hash, ` ${PASSWORD} `), true)
    const lists = await lookInto((db) => db.selectFrom('lists').select('inbox').where('owner_id', '=', user.id).execute())
    t.same(lists, [{ inbox: true }])
  })

  await t.test('takes the password from standard input, whether or not its line ends', async (t) => {
    for (const [username, input] of [
      ['by-line', `${PASSWORD}\nand more\n`],
      ['by-text', PASSWORD],
      ['by-windows', `${PASSWORD}\r\n`],
    ] as const) {
      const { code, errors } = await createAdmin(settings, [username, `${username}@example.com`], input)
      t.same({ code, errors }, { code: 0, errors: '' }, username)
      t.equal(await new Passwords(hashing).verify((await findUser(username)).password_hash, PASSWORD), true, username)
    }
  })

  await t.test('makes an admin of a user, by username or address, and asks for no password', async (t) => {
    for (const parameters of [['ROOT'], ['root@example.com'], ['Root', 'ROOT@example.com']]) {
      const before = await lookInto(async (db) => {
        await db.updateTable('users').set({ role: 'user' }).where('username', '=', 'root').execute()
        return db.selectFrom('users').selectAll().where('username', '=', 'root').executeTakeFirstOrThrow()
      })
      const { code, output, errors } = await createAdmin(settings, parameters)
      t.match({ code, output, errors }, { code: 0, output: `${parameters[0]} is an admin now.`, errors: '' })
      const after = await findUser('root')
      t.same(after, { ...before, role: 'admin', updated_at: after.updated_at })
    }
  })

  await t.test('makes no admin, by name and address, of whoever has registered with an address that is not theirs', async (t) => {
    const verified = (at: string | null) =>
      lookInto((db) => db.updateTable('users').set({ email_verified_at: at, role: 'user' }).where('username', '=', 'root').execute())
    await verified(null)
    for (const parameters of [['root', 'root@example.com'], ['root@example.com']]) {
      const { code, output, errors } = await createAdmin({ ...settings, DOCKET_PASSWORD: PASSWORD }, parameters)
      t.same({ code, output }, { code: 1, output: '' })
      t.match(errors, /^root has registered, and has not verified the e-mail address/)
    }
    t.match(await findUser('root'), { role: 'user' })
    t.equal((await createAdmin(settings, ['root'])).code, 0)
    t.match(await findUser('root'), { role: 'admin' })
    await verified(new Date().toISOString())
  })

  await t.test('refuses what nobody could register with, in words and without a trace of the code', async (t) => {
    for (const [parameters, password, message] of [
      [[], PASSWORD, /^Usage: npm run create-admin -- <username> <e-mail address>\n$/],
      [[' '], PASSWORD, /^Usage: /],
      [['somebody'], PASSWORD, /^That cannot be:\n {2}email is required\n$/],
      [['somebody', 'nowhere'], 'short', /\n {2}email must be an e-mail address\n {2}password must have at least 8 characters\n$/],
      [['some body', 'some@example.com'], PASSWORD, /\n {2}username must match/],
      [['root', 'some@example.com'], PASSWORD, /^root has another e-mail address\.\n$/],
      [['somebody', 'root@EXAMPLE.com'], PASSWORD, /^Somebody has registered with this e-mail address already\.\n$/],
      [['somebody', 'some@example.com'], '', /\n {2}password must have at least 8 characters\n$/],
      [['somebody', 'some@example.com'], 'Password1', /\n {2}password is one of the commonest passwords\n$/],
      [['some-body-else', 'some@example.com'], 'Some-Body-Else', /\n {2}password must not be your username or your e-mail address\n$/],
      [['somebody', 'some.address@example.com'], 'some.address', /\n {2}password must not be your username or your e-mail address\n$/],
    ] as const) {
      const { code, output, errors } = await createAdmin({ ...settings, DOCKET_PASSWORD: password }, [...parameters])
      t.same({ code, output }, { code: 1, output: '' }, parameters.join())
      t.match(errors, message)
      t.notMatch(errors, /\bat .*\.ts:\d/)
    }
    const { code, errors } = await createAdmin(settings, ['somebody', 'some@example.com'])
    t.equal(code, 1, 'standard input that ends at once')
    t.match(errors, /password must have at least 8 characters/)
    t.equal((await lookInto((db) => db.selectFrom('users').select('id').execute())).length, 4)
  })

  await t.test('says in a sentence that the settings are wrong', async (t) => {
    const wrong = await createAdmin({ ...settings, PORT: 'http' }, ['root'])
    t.same({ code: wrong.code, output: wrong.output }, { code: 1, output: '' })
    t.match(wrong.errors, /^The configuration is not valid:\n {2}- PORT .*\n$/)
  })

  await t.test('says in a sentence that the embedded database is in use', { skip: !EMBEDDED && 'a server may be used by many' }, async (t) => {
    const used = await lookInto(() => createAdmin(settings, ['root']))
    t.same({ code: used.code, output: used.output }, { code: 1, output: '' })
    t.match(used.errors, /^Another process is using the embedded database in .*\n$/)
  })
})
