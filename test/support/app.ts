import { randomBytes } from 'node:crypto'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import { type Logger, pino } from 'pino'
import type { Test } from 'tap'
import { buildApp } from '../../src/app.ts'
import { type Config, readConfig } from '../../src/config.ts'
import type { Context } from '../../src/context.ts'
import type { Answer, Handlers } from '../../src/contract/types.ts'
import { DISCREET } from '../../src/log.ts'
import { createContext } from '../../src/startup.ts'
import { type Caller, callerOf } from './client.ts'
import { databaseUrl, execute, TEMPLATE } from './postgres.ts'
import { temporaryFolder } from './process.ts'

export const PASSWORD = 'correct horse battery staple'
export const AUTH_SECRET = 'Zm9yIHRlc3RzIG9ubHksIGJ1dCBsb25nIGFuZCByYW5kb20gZW5vdWdo'

/** Somebody who has registered, with a token. */
export type Person = Readonly<{
  id: string
  username: string
  email: string
  accessToken: string
  refreshToken: string
}>

export type TestApp = Readonly<{
  url: string
  app: FastifyInstance
  context: Context
  /** Calls operations as somebody, or as nobody. */
  as(person?: Person | { accessToken: string }): Caller
  /** Registers somebody new. */
  register(username?: string): Promise<Person>
  /** Registers somebody and makes them an admin. */
  registerAdmin(): Promise<Person>
  /** Lines that were logged, as objects. */
  logged: readonly Record<string, unknown>[]
}>

/** Whether these tests run on the embedded database. */
export const EMBEDDED = process.env['DOCKET_TEST_SERVER'] === undefined

/** Where run.ts keeps an embedded database that is migrated, and removes it with all copies beside it. */
const EMBEDDED_TEMPLATE = process.env['DOCKET_TEST_DATA_DIR']

let count = 0

/** A database of its own for a test file: its url, or undefined where each server has an embedded one. */
export async function createDatabase(t: Test): Promise<string | undefined> {
  const server = process.env['DOCKET_TEST_SERVER']
  if (server === undefined) return undefined
  const name = `docket_${process.pid}_${count++}`
  await execute(server, `create database ${name} template ${TEMPLATE} strategy file_copy`)
  t.teardown(() => execute(server, `drop database ${name}`))
  return databaseUrl(server, name)
}

/** The same for a test that is skipped without a server. */
export async function createServerDatabase(t: Test): Promise<string> {
  const url = await createDatabase(t)
  if (url === undefined) throw new Error('There is no server.')
  return url
}

/** A directory with an embedded database of its own, which is migrated; it goes with the test. */
export function embeddedDirectory(t: Test): string {
  if (EMBEDDED_TEMPLATE === undefined) return temporaryFolder(t)
  const directory = mkdtempSync(`${EMBEDDED_TEMPLATE}-`)
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  cpSync(EMBEDDED_TEMPLATE, directory, { recursive: true })
  return directory
}

/** What a process needs of the environment for a database of its own, which is migrated and goes with the test. */
export async function databaseEnvironment(t: Test): Promise<Record<string, string>> {
  const url = await createDatabase(t)
  return url === undefined ? { DATA_DIR: embeddedDirectory(t) } : { DATABASE_URL: url, AUTH_SECRET }
}

/**
 * A server on a free port, over a database of its own unless one is given. Everything ends with the test.
 * @param overrides settings that differ from those of a test, as environment variables
 */
export async function startApp(t: Test, overrides: Record<string, string> = {}, database?: string): Promise<TestApp> {
  const url = database ?? (await createDatabase(t))
  const config = testConfig(url, (url ?? overrides['DATA_DIR']) ? overrides : { ...overrides, DATA_DIR: embeddedDirectory(t) })
  const logged: Record<string, unknown>[] = []
  const logger: Logger = pino({ level: 'debug', ...DISCREET }, { write: (line: string) => void logged.push(JSON.parse(line)) })
  const { context, database: connection } = await createContext(config, logger)
  const answers = new Map<string, Answer>()
  const app = await buildApp(context, (handlers) => recording(handlers, answers)).catch(async (error) => {
    await connection.close()
    throw error
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(async () => {
    app.server.closeAllConnections()
    await app.close()
    await connection.close()
  })
  const address = app.server.address()
  const baseUrl = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  const as = (person?: { accessToken: string }) => callerOf(baseUrl, person?.accessToken, answers)

  const register = async (username = `user-${randomBytes(6).toString('hex')}`): Promise<Person> => {
    const { body } = await as()('register', {
      body: { username, email: `${username}@example.com`, password: PASSWORD },
      expect: 201,
    })
    return {
      id: body.user.id,
      username,
      email: body.user.email,
      accessToken: body.accessToken,
      refreshToken: body.refreshToken,
    }
  }
  return {
    url: baseUrl,
    app,
    context,
    as,
    register,
    async registerAdmin() {
      const person = await register()
      await context.db.updateTable('users').set({ role: 'admin' }).where('id', '=', person.id).execute()
      const { body } = await as()('login', {
        body: { username: person.username, password: PASSWORD },
        expect: 200,
      })
      return {
        ...person,
        accessToken: body.accessToken,
        refreshToken: body.refreshToken,
      }
    },
    logged,
  }
}

export function testConfig(databaseUrl: string | undefined, overrides: Record<string, string> = {}): Config {
  const settings = readConfig({
    NODE_ENV: 'test',
    AUTH_SECRET,
    ARGON2_MEMORY_KIB: '1024',
    ARGON2_ITERATIONS: '1',
    JOBS: 'off',
    // Mails can be asked for; nobody sends them, unless a test turns the jobs on and names a server.
    SMTP_URL: 'smtp://127.0.0.1:9',
    RATE_LIMIT: 'off',
    ...(databaseUrl !== undefined && {
      DATABASE_URL: databaseUrl,
      MIGRATE_AT_START: 'false',
      DATABASE_POOL_SIZE: '5',
    }),
    ...overrides,
  })
  // Nothing depends on how long a refusal waits.
  const loginThrottle = { ...settings.auth.loginThrottle, refusalMilliseconds: 1, slowingMilliseconds: 1 }
  const config = { ...settings, auth: { ...settings.auth, loginThrottle } }
  return databaseUrl === undefined && overrides['DATA_DIR'] === undefined
    ? { ...config, database: { kind: 'embedded', directory: undefined } }
    : config
}

/** Keeps what each handler answers, to compare it with what arrives. */
function recording(handlers: Handlers, answers: Map<string, Answer>): Handlers {
  const recorded = Object.entries(handlers).map(([id, handler]) => [
    id,
    async (request: { client: { requestId: string } }, respond: unknown) => {
      const answer = await (handler as (...call: unknown[]) => Promise<Answer>)(request, respond)
      answers.set(request.client.requestId, answer)
      return answer
    },
  ])
  return Object.fromEntries(recorded) as Handlers
}
