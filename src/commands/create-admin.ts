/**
 * Creates a user with the role admin, or gives the role to an existing one.
 * Usage: npm run create-admin -- <username> <e-mail address>, with the password in DOCKET_PASSWORD or on standard input
 */
import { createInterface } from 'node:readline/promises'
import { pino } from 'pino'
import { Passwords } from '../auth/passwords.ts'
import { insertUserWithInbox } from '../auth/registration.ts'
import { readConfig } from '../config.ts'
import { readSpec } from '../contract/spec.ts'
import { Validators } from '../contract/validation.ts'
import type { Database } from '../database/database.ts'
import { Problem } from '../problem.ts'
import { createContext } from '../startup.ts'
import { findUserByLogin, updateUser } from '../users/queries.ts'
import { refusingTaken } from '../users/taken.ts'

const [username, email] = process.argv.slice(2)
const config = readConfig()

async function promote(db: Database, id: string): Promise<string> {
  await updateUser(db, id, {
    role: 'admin',
    updated_at: new Date().toISOString(),
  })
  return `${username} is an admin now. Log in again to get a token with the scope admin.`
}

async function create(db: Database): Promise<string> {
  const terminal = createInterface({
    input: process.stdin,
    output: process.stdin.isTTY ? process.stdout : undefined,
  })
  const password = process.env['DOCKET_PASSWORD'] ?? (await terminal.question('Password: '))
  terminal.close()
  const register = readSpec().operations.find(({ id }) => id === 'register')
  const body = { username, email, password }
  if (register !== undefined) new Validators(readSpec().document).body(register)?.(body)
  const passwordHash = await new Passwords(config.auth.passwordHash).hash(password)
  await refusingTaken(
    db.transaction().execute((trx) =>
      insertUserWithInbox(trx, {
        username: String(username),
        email: String(email),
        passwordHash,
        role: 'admin',
      }),
    ),
  )
  return `${username} is registered as an admin.`
}

if (username === undefined) {
  process.stderr.write('Usage: npm run create-admin -- <username> <e-mail address>\n')
  process.exit(1)
}
const { context, database } = await createContext(config, pino({ level: 'silent' }))
try {
  const user = await findUserByLogin(context.db, username)
  process.stdout.write(`${user === undefined ? await create(context.db) : await promote(context.db, user.id)}\n`)
} catch (error) {
  if (!(error instanceof Problem)) throw error
  const fields = error.errors?.map(({ path, message }) => `  ${path.slice(1)} ${message}`) ?? []
  process.stderr.write(`${[error.message, ...fields].join('\n')}\n`)
  process.exitCode = 1
} finally {
  await database.close()
}
