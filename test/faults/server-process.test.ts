import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import type { Answer } from '../../src/contract/types.ts'
import { PASSWORD } from '../support/app.ts'
import { callerOf } from '../support/client.ts'
import { startServer, temporaryFolder } from '../support/process.ts'

const NOTHING = new Map<string, Answer>()

t.test('the server as a process, on the embedded database', async (t) => {
  const start = (environment: Record<string, string>) => startServer(t, environment)
  const DATA_DIR = temporaryFolder(t)
  const environment = { DATA_DIR, SHUTDOWN_GRACE_MS: '200' }
  let server = await start(environment)
  const registration = { username: 'ada', email: 'ada@example.com', password: PASSWORD }
  const { body: ada } = await callerOf(server.url, undefined, NOTHING)('register', { body: registration, expect: 201 })
  const call = () => callerOf(server.url, ada.accessToken, NOTHING)

  t.test('says where the docs are', async (t) => {
    t.match(server.output(), `Docs: ${server.url.replace('127.0.0.1', 'localhost')}/docs`)
  })

  t.test('keeps a generated secret that its owner alone can read', async (t) => {
    t.equal(statSync(path.join(DATA_DIR, 'secret')).mode & 0o777, 0o600)
  })

  t.test('whoever has just made the database logs in, and a wrong password is refused', async () => {
    const nobody = callerOf(server.url, undefined, NOTHING)
    await nobody('login', { body: { username: 'ada', password: 'not this one' }, expect: 401 })
    await nobody('login', { body: { username: 'ada', password: PASSWORD }, expect: 200 })
  })

  t.test('a second process on the same data is refused with a clear message', async (t) => {
    await t.rejects(start(environment), { message: /Another process is using the embedded database/ })
  })

  t.test('SIGTERM while requests run: none fails, and all that was acknowledged is there after the restart, with the same token', async (t) => {
    const created: string[] = []
    // As a load balancer does: nothing new once the server says that it is closing.
    const work = async () => {
      for (let closing = false; !closing; ) {
        const { body, headers } = await call()('createTask', { body: { title: 'Acknowledged' }, expect: 201 })
        created.push(body.id)
        closing = headers.get('connection') === 'close'
      }
    }
    const workers = Promise.all(Array.from({ length: 8 }, work))
    while (created.length < 50) await call()('getLiveness', { expect: 200 })
    t.equal(await server.end('SIGTERM'), 0)
    await workers

    server = await start(environment)
    for (const taskId of created) await call()('getTask', { params: { taskId }, expect: 200 })
    t.ok(created.length >= 50)
  })

  t.test('kill -9 while it writes: the lock is free again, and nothing acknowledged is lost', async (t) => {
    const created: string[] = []
    let ended: Promise<number | null> | undefined
    const work = async () => {
      while (ended === undefined) {
        created.push((await call()('createTask', { body: { title: 'Acknowledged' }, expect: 201 })).body.id)
        if (created.length >= 40) ended ??= server.end('SIGKILL')
      }
    }
    await Promise.allSettled(Array.from({ length: 4 }, work))
    t.equal(await ended, null)
    server = await start(environment)
    for (const taskId of created) await call()('getTask', { params: { taskId }, expect: 200 })
    t.ok(created.length >= 40)
  })

  t.test('what a first start that was killed in the middle leaves behind does not matter', async (t) => {
    const folder = temporaryFolder(t)
    mkdirSync(path.join(folder, 'postgres.new', 'base'), { recursive: true })
    writeFileSync(path.join(folder, 'postgres.new', 'PG_VERSION'), '18')
    const { url } = await start({ DATA_DIR: folder })
    await callerOf(url, undefined, NOTHING)('getReadiness', { expect: 200 })
  })
})
