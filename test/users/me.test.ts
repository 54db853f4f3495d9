import t from 'tap'
import { PASSWORD, startApp } from '../support/app.ts'

t.test('users/me', async (t) => {
  const { as, context, register } = await startApp(t)

  t.test('getMe: 200 to its user, the same as at registration', async (t) => {
    const [ada, bob] = [await register('Ada'), await register('bob')]
    const { body } = await as(ada)('getMe', { expect: 200 })
    t.match(body, { id: ada.id, email: 'Ada@example.com', emailVerified: false, username: 'Ada', role: 'user', timeZone: 'UTC' })
    t.equal((await as(bob)('getMe', { expect: 200 })).body.id, bob.id)
    t.equal((await as(bob)('getMe', { expect: 200 })).headers.get('cache-control'), 'private, no-cache')
  })

  t.test('getMe: 200 with a proven e-mail address', async (t) => {
    const ada = await register()
    await context.db.updateTable('users').set({ email_verified_at: new Date().toISOString() }).where('id', '=', ada.id).execute()
    t.equal((await as(ada)('getMe', { expect: 200 })).body.emailVerified, true)
  })

  t.test('getMe and updateMe: 401 to nobody', async (t) => {
    t.equal((await as()('getMe')).status, 401)
    t.equal((await as()('updateMe', { body: { timeZone: 'UTC' } })).status, 401)
  })

  t.test('updateMe: 200 with a username, trimmed; the new one logs in, the old one does not', async (t) => {
    const ada = await register()
    const { body } = await as(ada)('updateMe', { body: { username: '  Countess.of-Lovelace\n' }, expect: 200 })
    t.equal(body.username, 'Countess.of-Lovelace')
    t.same((await as(ada)('getMe', { expect: 200 })).body, body)
    t.equal((await as()('login', { body: { username: 'countess.of-lovelace', password: PASSWORD } })).status, 200)
    t.equal((await as()('login', { body: { username: ada.username, password: PASSWORD } })).status, 401)
    const { body: other } = await as(await register())('updateMe', { body: { username: ada.username }, expect: 200 })
    t.equal(other.username, ada.username, 'which is free for others')
  })

  t.test('updateMe: 200 with a time zone, and nothing else changes but updatedAt', async (t) => {
    const ada = await register()
    const { body: before } = await as(ada)('getMe', { expect: 200 })
    for (const timeZone of ['Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT+12', 'Asia/Kathmandu', 'UTC']) {
      const { body } = await as(ada)('updateMe', { body: { timeZone }, expect: 200 })
      t.same(body, { ...before, timeZone, updatedAt: body.updatedAt })
      t.ok(body.updatedAt >= before.updatedAt)
    }
  })

  t.test('updateMe: 200 with both', async (t) => {
    const ada = await register()
    const { body } = await as(ada)('updateMe', { body: { username: 'both-at-once', timeZone: 'Asia/Tokyo' }, expect: 200 })
    t.match(body, { username: 'both-at-once', timeZone: 'Asia/Tokyo' })
  })

  t.test("updateMe: 200 with one's own username in another case, 409 with somebody else's", async (t) => {
    const [ada, eve] = [await register(), await register()]
    t.equal((await as(ada)('updateMe', { body: { username: ada.username.toUpperCase() }, expect: 200 })).body.username, ada.username.toUpperCase())
    for (const username of [ada.username, ada.username.toUpperCase()]) {
      t.match(await as(eve)('updateMe', { body: { username, timeZone: 'Asia/Tokyo' } }), { status: 409, body: { code: 'USERNAME_TAKEN' } })
    }
    t.match((await as(eve)('getMe', { expect: 200 })).body, { username: eve.username, timeZone: 'UTC' }, 'a refusal changes nothing')
  })

  t.test('updateMe: 422 with nothing, with null, with what breaks the schema, with what is not for users to change', async (t) => {
    const ada = await register()
    const { body: before } = await as(ada)('getMe', { expect: 200 })
    for (const patch of [
      {},
      { username: null },
      { username: '' },
      { username: 'ab' },
      { username: '  ab  ' },
      { username: 'u'.repeat(33) },
      { username: 'ada@example.com' },
      { username: 7 },
      { timeZone: null },
      { timeZone: '' },
      { timeZone: 'Mars/Olympus_Mons' },
      { timeZone: '+01:00' },
      { timeZone: 'Europe/Berlin ' },
      { timeZone: `A${'a'.repeat(64)}` },
      { timeZone: 'Europe/Berlin\u0000' },
      { role: 'admin' },
      { email: 'new@example.com' },
      { emailVerified: true },
      { password: 'another password' },
      { id: ada.id },
      { timeZone: 'UTC', disabled: false },
      [],
      null,
    ]) {
      const { status, body } = await as(ada)('updateMe', { body: patch as never })
      t.match({ status, body }, { status: 422, body: { code: 'VALIDATION_FAILED' } }, JSON.stringify(patch))
    }
    t.same((await as(ada)('getMe', { expect: 200 })).body, before)
  })

  t.test('getMe: 422 with a query', async (t) => {
    t.equal((await as(await register())('getMe', { query: { fields: 'id' } } as never)).status, 422)
  })

  t.test('getMe and updateMe: 401 to a user who is gone', async (t) => {
    const ada = await register()
    await as(ada)('getMe', { expect: 200 })
    await context.db.deleteFrom('users').where('id', '=', ada.id).execute()
    t.match(await as(ada)('getMe'), { status: 401, body: { code: 'UNAUTHENTICATED' } })
    t.match(await as(ada)('updateMe', { body: { timeZone: 'UTC' } }), { status: 401, body: { code: 'UNAUTHENTICATED' } })
  })
})
