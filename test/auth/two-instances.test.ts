import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { createDatabase, EMBEDDED, PASSWORD, type Person, startApp, type TestApp } from '../support/app.ts'

const ROUNDS = 50

t.test('a session that ends on one instance is over on the other', async (t) => {
  const database = await createDatabase(t)
  if (database === undefined) return await embeddedHasOneInstance(t)
  const a = await startApp(t, {}, database)
  await current(a)
  const ownListener = await listenerOf(a)
  const b = await startApp(t, {}, database)
  const ada = await a.register()
  await current(b)

  await t.test('the second instance remembers sessions, or the rounds below would prove nothing', async (t) => {
    const session = await logIn(a, ada)
    let answer = 401
    // A lease that ran out under load sends one request to the database, hence more than one try.
    while (answer === 401) {
      await a.context.db.updateTable('sessions').set({ revoked_at: null }).where('user_id', '=', ada.id).execute()
      await current(b)
      await b.as(session)('getMe', { expect: 200 })
      await a.context.db.updateTable('sessions').set({ revoked_at: new Date().toISOString() }).where('user_id', '=', ada.id).execute()
      answer = (await b.as(session)('getMe')).status
    }
    t.equal(answer, 200, 'a session that ends behind its back goes on')
    await sql`select pg_notify('docket', ${`user:${ada.id}`})`.execute(a.context.db)
    await a.context.notifications.settle()
    t.equal((await b.as(session)('getMe')).status, 401, 'until it is told')
  })

  await t.test(`logout: 401 on the other instance to the next request, in ${ROUNDS} rounds`, async (t) => {
    for (let round = 0; round < ROUNDS; round++) await logOutOnAThenAskB(t, a, b, ada)
  })

  await t.test(`logout: the same while the other instance loses its listener now and then, in ${ROUNDS} rounds`, async (t) => {
    let lost = 0
    for (let round = 0; round < ROUNDS; round++) {
      const lose = round % 20 === 10 ? terminateListeners(a, ownListener) : undefined
      await logOutOnAThenAskB(t, a, b, ada)
      lost += (await lose) ?? 0
    }
    t.equal(lost, 2)
  })

  await t.test('logout: the same while both lose it', async (t) => {
    const [lost] = await Promise.all([terminateListeners(a), logOutOnAThenAskB(t, a, b, ada)])
    t.equal(lost, 2)
    await current(b)
    await logOutOnAThenAskB(t, a, b, ada)
  })
})

async function logOutOnAThenAskB(t: Test, a: TestApp, b: TestApp, person: Person): Promise<void> {
  const session = await logIn(a, person)
  await b.as(session)('getMe', { expect: 200 })
  await b.as(session)('getMe', { expect: 200 })
  await a.as(session)('logout', { expect: 204 })
  const { status } = await b.as(session)('getMe')
  t.equal(status, 401)
}

async function logIn({ as }: TestApp, person: Person) {
  const { body } = await as()('login', { body: { username: person.username, password: PASSWORD }, expect: 200 })
  return body
}

/** Resolves when the instance trusts what it remembers. */
async function current({ context: { notifications } }: TestApp): Promise<void> {
  while (!notifications.isCurrent()) await setImmediate()
}

/** The server's processes behind the connections that listen. */
const LISTENERS = sql`pg_stat_activity where application_name = 'docket-listener' and datname = current_database()`

async function listenerOf({ context: { db } }: TestApp): Promise<number | undefined> {
  const { rows } = await sql<{ pid: number }>`select pid from ${LISTENERS}`.execute(db)
  return rows[0]?.pid
}

/** @returns how many there were */
async function terminateListeners({ context: { db } }: TestApp, spared = 0): Promise<number> {
  const { rows } = await sql`select pg_terminate_backend(pid, 5000) from ${LISTENERS} and pid <> ${spared}`.execute(db)
  return rows.length
}

/** Without a server there is nothing that two instances could share: the second one is refused. */
async function embeddedHasOneInstance(t: Test): Promise<void> {
  t.equal(EMBEDDED, true)
  const DATA_DIR = mkdtempSync(path.join(tmpdir(), 'docket-'))
  t.teardown(() => rmSync(DATA_DIR, { recursive: true, force: true }))
  await startApp(t, { DATA_DIR })
  await t.rejects(startApp(t, { DATA_DIR }), { message: /Another process is using the embedded database/ })
}
