/**
 * Creates a user with the role admin, or gives the role to an existing one: of this username or address, or of both if both are given.
 * Usage: npm run create-admin -- <username> <e-mail address>, with the password in DOCKET_PASSWORD or on standard input
 */
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import { recordEvent } from '../audit/events.ts'
import { requireAcceptablePassword } from '../auth/password-rules.ts'
import { Passwords } from '../auth/passwords.ts'
import { announceUser } from '../auth/queries.ts'
import { insertUserWithInbox } from '../auth/registration.ts'
import { type Config, readConfig } from '../config.ts'
import { readSpec, SpecError } from '../contract/spec.ts'
import { Validators } from '../contract/validation.ts'
import type { Database } from '../database/database.ts'
import { explainFailure } from '../explain.ts'
import { Problem } from '../problem.ts'
import { createContext } from '../startup.ts'
import { findUserByLogin, updateUser } from '../users/queries.ts'
import { refusingTaken } from '../users/taken.ts'

const [username, email] = process.argv.slice(2).map((argument) => argument.trim())

async function promote(db: Database, id: string): Promise<string> {
  await db.transaction().execute(async (trx) => {
    await updateUser(trx, id, { role: 'admin', updated_at: new Date().toISOString() })
    await recordEvent(trx, undefined, { action: 'user.promoted', userId: id, changedFields: ['role'] })
    await announceUser(trx, id)
  })
  return `${username} is an admin now. Log in again to get a token with the scope admin.`
}

async function create(db: Database, { auth }: Config): Promise<string> {
  const password = process.env['DOCKET_PASSWORD'] ?? (await readLine())
  const { document, operations } = readSpec()
  const register = operations.find(({ id }) => id === 'register')
  if (register === undefined) throw new SpecError('There is no operation register.')
  new Validators(document).body(register)?.({ username, email, password })
  requireAcceptablePassword(password, { username: String(username), email: String(email) }, '/password')
  const passwordHash = await new Passwords(auth.passwordHash).hash(password)
  await refusingTaken(
    db.transaction().execute(async (trx) => {
      const { id } = await insertUserWithInbox(trx, {
        username: String(username),
        email: String(email),
        passwordHash,
        role: 'admin',
        // Whoever runs the server vouches for it.
        emailVerifiedAt: new Date().toISOString(),
      })
      await recordEvent(trx, undefined, { action: 'user.registered', userId: id })
    }),
  )
  return `${username} is registered as an admin.`
}

/** The first line of standard input, which need not end: `printf %s "$secret" | npm run create-admin -- …`. A terminal shows nothing of it. */
async function readLine(): Promise<string> {
  const { isTTY } = process.stdin
  if (isTTY) process.stdout.write('Password: ')
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: isTTY })
  lines.on('SIGINT', () => process.exit(130))
  for await (const line of lines) {
    if (isTTY) process.stdout.write('\n')
    lines.close()
    return line
  }
  return ''
}

async function run(login: string): Promise<string> {
  const config = readConfig()
  const { context, database } = await createContext({ ...config, jobs: false }, pino({ level: 'silent' }))
  try {
    const user = await findUserByLogin(context.db, login)
    if (user === undefined) return await create(context.db, config)
    // A username holds no @.
    const address = email ?? (login.includes('@') ? login : undefined)
    // Somebody else who has registered the name must not become an admin by it.
    if (address !== undefined && address.toLowerCase() !== user.email.toLowerCase())
      throw new Problem('USERNAME_TAKEN', `${login} has another e-mail address.`)
    // Whoever names an address means to vouch for it, not for what somebody else has registered with it.
    if (address !== undefined && user.email_verified_at === null)
      throw new Problem(
        'EMAIL_NOT_VERIFIED',
        `${user.username} has registered, and has not verified the e-mail address: it may be somebody else. To make an admin of them all the same, name ${user.username} alone.`,
      )
    return await promote(context.db, user.id)
  } finally {
    await database.close()
  }
}

if (!username) {
  process.stderr.write('Usage: npm run create-admin -- <username> <e-mail address>\n')
  process.exit(1)
}
await explainFailure(async () => void process.stdout.write(`${await run(username)}\n`))
