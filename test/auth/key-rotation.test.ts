import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { replaceSharedKey } from '../../src/database/signing-key.ts'
import { keyIdOf } from '../../src/keys.ts'
import { createDatabase, EMBEDDED, PASSWORD, type Person, startApp, type TestApp } from '../support/app.ts'

const [OLD, NEW, OTHER] = ['q9Wf3kTz7LxV1mPbR8sYcD2gH5jN6uEa', 'Tz7LxV1mPbR8sYcD2gH5jN6uEaq9Wf3k', 'H5jN6uEaq9Wf3kTz7LxV1mPbR8sYcD2g'] as const

type Signed = Readonly<{ person: Person; cursor: string }>

t.test('keys are rotated without logging anybody out', async (t) => {
  const database = await createDatabase(t)
  const directory = mkdtempSync(path.join(tmpdir(), 'docket-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  /** A server with these keys on the one database; it ends with its test, since the embedded database is for one at a time. */
  const start = (t: Test, ...keys: string[]) =>
    startApp(t, { AUTH_SECRET: '', AUTH_KEYS: keys.join(','), ...(EMBEDDED && { DATA_DIR: directory }) }, database)

  /** All that is signed: an access token, a refresh token, a cursor. */
  async function sign({ as, register }: TestApp): Promise<Signed> {
    const person = await register()
    await as(person)('createList', { body: { title: 'Groceries' }, expect: 201 })
    const { body } = await as(person)('listLists', { query: { limit: 1 }, expect: 200 })
    return { person, cursor: body.nextCursor ?? '' }
  }
  const accepted = async ({ as }: TestApp, { person, cursor }: Signed) => [
    (await as(person)('getMe')).status,
    (await as()('refresh', { body: { refreshToken: person.refreshToken } })).status,
    // Whether the cursor is good must not depend on the token: a new login asks.
    await as()('login', { body: { username: person.username, password: PASSWORD }, expect: 200 }).then(
      async ({ body }) => (await as(body)('listLists', { query: { cursor, limit: 1 } })).status,
    ),
  ]

  let before: Signed | undefined
  let after: Signed | undefined
  await t.test('what the key before signed is good beside the new one', async (t) => {
    await t.test('the key before', async (t) => {
      before = await sign(await start(t, OLD))
    })
    await t.test('the new one is made known', async (t) => {
      const app = await start(t, OLD, NEW)
      t.same(await accepted(app, before as Signed), [200, 200, 200])
    })
    await t.test('the new one signs', async (t) => {
      const app = await start(t, NEW, OLD)
      t.same(await accepted(app, before as Signed), [200, 200, 200])
      after = await sign(app)
    })
    await t.test('the one before is dropped', async (t) => {
      const app = await start(t, NEW)
      t.same(await accepted(app, after as Signed), [200, 200, 200])
      t.same(await accepted(app, before as Signed), [401, 401, 422])
    })
  })

  await t.test('an instance that does not know the key in use does not start', async (t) => {
    for (const keys of [[OLD], [OTHER], [OTHER, OLD]]) {
      await t.rejects(start(t, ...keys), { message: /^The keys of this instance are not those of the database/ })
    }
  })

  await t.test('unless the keys are replaced, and then nothing that was signed before is good', async (t) => {
    await t.test('replaced', async (t) => {
      const { context } = await start(t, NEW)
      await replaceSharedKey(context.db, keyIdOf(OTHER))
    })
    await t.test('from then on', async (t) => {
      const app = await start(t, OTHER)
      t.same(await accepted(app, after as Signed), [401, 401, 422])
    })
  })
})
