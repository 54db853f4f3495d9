import { readFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import t from 'tap'
import { deleteAuditEventsBefore } from '../../src/audit/queries.ts'
import { PASSWORD, type Person, startApp } from '../support/app.ts'
import { sessionIdOf } from '../support/instances.ts'
import { everyValue } from '../support/rows.ts'

const NEW_PASSWORD = 'tr0ub4dor and three more'

t.test('the audit log', async (t) => {
  const { as, context, register, registerAdmin, logged } = await startApp(t, { TRUSTED_PROXIES: '127.0.0.1' })
  const { db } = context
  const root = await registerAdmin()
  const last = async () => db.selectFrom('audit_events').selectAll().orderBy('id', 'desc').executeTakeFirstOrThrow()
  const count = async () => (await db.selectFrom('audit_events').select('id').execute()).length
  const headers = { 'X-Forwarded-For': '203.0.113.7', 'User-Agent': 'Audit/1.0', 'X-Request-Id': 'audit-request-1' }
  const where = { ip_address: '203.0.113.7', user_agent: 'Audit/1.0', request_id: 'audit-request-1' }
  const nobody = { actor_id: null, session_id: null, api_token_id: null }
  const by = (person: Person, session: { accessToken: string } = person) => ({
    actor_id: person.id,
    session_id: sessionIdOf(session),
    api_token_id: null,
  })
  const credentials = ({ username }: Person) => ({ username, password: PASSWORD })
  const logIn = async (person: Person) => (await as()('login', { body: credentials(person), expect: 200 })).body

  /** A denial is kept beside the request, which has its answer already. */
  const denials = async (person: Person, expected: number) => {
    const rows = () =>
      db.selectFrom('audit_events').selectAll().where('user_id', '=', person.id).where('action', '=', 'access.denied').orderBy('id').execute()
    for (let deadline = Date.now() + 10_000; Date.now() < deadline && (await rows()).length < expected; ) await setImmediate()
    return rows()
  }

  t.test('says of each kind of event who did it, to whom, from where and by which operation', async (t) => {
    const seen = new Set<string>()
    const expectLast = async (action: string, rest: Record<string, unknown>) => {
      const event = await last()
      t.match(event, { action, changed_fields: [], ...where, ...rest }, action)
      t.equal(event.occurred_at > new Date(Date.now() - 600_000).toISOString(), true)
      seen.add(action)
    }

    const body = { username: 'ada', email: 'ada@example.com', password: PASSWORD }
    const { body: registered } = await as()('register', { body, headers, expect: 201 })
    const ada: Person = { ...body, id: registered.user.id, accessToken: registered.accessToken, refreshToken: registered.refreshToken }
    await expectLast('login.succeeded', { operation: 'register', user_id: ada.id, ...by(ada) })
    const birth = await db.selectFrom('audit_events').selectAll().where('action', '=', 'user.registered').where('user_id', '=', ada.id).execute()
    t.match(birth, [{ operation: 'register', actor_id: ada.id, session_id: null, ...where }])
    seen.add('user.registered')

    const { body: other } = await as()('login', { body: credentials(ada), headers, expect: 200 })
    await expectLast('login.succeeded', { operation: 'login', user_id: ada.id, ...by(ada, other) })
    const grant = { grant_type: 'password', username: ada.email } as const
    await as()('createToken', { body: { ...grant, password: PASSWORD }, headers, expect: 200 })
    await expectLast('login.succeeded', { operation: 'createToken', user_id: ada.id, actor_id: ada.id })
    await as()('login', { body: { username: 'ADA', password: 'wrong' }, headers, expect: 401 })
    await expectLast('login.failed', { operation: 'login', user_id: ada.id, ...nobody })
    await as()('createToken', { body: { ...grant, password: 'wrong' }, headers, expect: 401 })
    await expectLast('login.failed', { operation: 'createToken', user_id: ada.id, ...nobody })
    await as()('login', { body: { username: 'no-such-user', password: 'wrong' }, headers, expect: 401 })
    await expectLast('login.failed', { operation: 'login', user_id: null, ...nobody })

    await as(ada)('updateMe', { body: { timeZone: 'Europe/Berlin', username: 'ada-l' }, headers, expect: 200 })
    await expectLast('user.updated', { operation: 'updateMe', user_id: ada.id, ...by(ada), changed_fields: ['timeZone', 'username'] })
    await as(ada)('changePassword', { body: { currentPassword: 'wrong', newPassword: NEW_PASSWORD }, headers, expect: 422 })
    await expectLast('password.refused', { operation: 'changePassword', user_id: ada.id, ...by(ada) })

    const token = { name: 'Calendar', scopes: ['tasks:read' as const, 'account:write' as const], currentPassword: PASSWORD }
    await as(ada)('createApiToken', { body: { ...token, currentPassword: 'wrong' }, headers, expect: 422 })
    await expectLast('password.refused', { operation: 'createApiToken', user_id: ada.id, ...by(ada) })
    const { body: apiToken } = await as(ada)('createApiToken', { body: token, headers, expect: 201 })
    await expectLast('api_token.created', { operation: 'createApiToken', user_id: ada.id, ...by(ada), object_id: apiToken.id })
    await as({ accessToken: apiToken.token })('updateMe', { body: { timeZone: 'UTC' }, headers, expect: 200 })
    await expectLast('user.updated', { user_id: ada.id, actor_id: ada.id, session_id: null, api_token_id: apiToken.id, changed_fields: ['timeZone'] })
    await as(ada)('revokeApiToken', { params: { tokenId: apiToken.id }, headers, expect: 204 })
    await expectLast('api_token.revoked', { operation: 'revokeApiToken', user_id: ada.id, ...by(ada), object_id: apiToken.id })

    await as(ada)('revokeSession', { params: { sessionId: sessionIdOf(other) }, headers, expect: 204 })
    await expectLast('session.revoked', { operation: 'revokeSession', user_id: ada.id, ...by(ada), object_id: sessionIdOf(other) })
    await as(ada)('revokeOtherSessions', { headers, expect: 204 })
    await expectLast('sessions.revoked', { operation: 'revokeOtherSessions', user_id: ada.id, ...by(ada) })
    await as(ada)('changePassword', { body: { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }, headers, expect: 204 })
    await expectLast('password.changed', { operation: 'changePassword', user_id: ada.id, ...by(ada) })

    const { body: first } = await as()('refresh', { body: { refreshToken: ada.refreshToken }, expect: 200 })
    const { body: second } = await as()('refresh', { body: { refreshToken: first.refreshToken }, expect: 200 })
    await as()('refresh', { body: { refreshToken: ada.refreshToken }, headers, expect: 401 })
    await expectLast('session.refresh_token_reused', { operation: 'refresh', user_id: ada.id, ...by(ada) })
    t.equal((await as(second)('getMe')).status, 401)

    const eve = await register()
    await as(eve)('logout', { headers, expect: 204 })
    await expectLast('session.revoked', { operation: 'logout', user_id: eve.id, ...by(eve), object_id: sessionIdOf(eve) })

    for (let time = 0; time < 5; time++) await as()('login', { body: { username: eve.username, password: 'wrong' }, headers, expect: 401 })
    await as()('login', { body: { username: eve.username, password: PASSWORD }, headers, expect: 429 })
    await expectLast('login.throttled', { operation: 'login', user_id: eve.id, ...nobody })
    const bob = await register()
    await as()('createToken', { body: { ...grant, username: bob.username, password: PASSWORD, scope: 'admin' }, headers, expect: 400 })
    await expectLast('access.denied', { operation: 'createToken', user_id: bob.id, actor_id: bob.id })

    await as(root)('listUsers', { headers, expect: 200 })
    await expectLast('users.listed', { operation: 'listUsers', user_id: null, ...by(root) })
    const params = { userId: ada.id }
    await as(root)('getUser', { params, headers, expect: 200 })
    await expectLast('user.read', { operation: 'getUser', user_id: ada.id, ...by(root) })
    for (const [change, action, field] of [
      [{ role: 'admin' }, 'user.promoted', 'role'],
      [{ role: 'user' }, 'user.demoted', 'role'],
      [{ disabled: true }, 'user.disabled', 'disabled'],
      [{ disabled: false }, 'user.enabled', 'disabled'],
    ] as const) {
      await as(root)('updateUser', { params, body: change, headers, expect: 200 })
      await expectLast(action, { operation: 'updateUser', user_id: ada.id, ...by(root), changed_fields: [field] })
    }
    await as(root)('deleteUser', { params, headers, expect: 204 })
    await expectLast('user.deleted', { operation: 'deleteUser', user_id: ada.id, ...by(root) })

    const mallory = await register()
    await as(mallory)('listUsers', { headers, expect: 403 })
    t.match(await denials(mallory, 1), [{ operation: 'listUsers', changed_fields: [], ...where, ...by(mallory) }])
    seen.add('access.denied')
    await as(mallory)('deleteMe', { body: { currentPassword: PASSWORD }, headers, expect: 204 })
    await expectLast('user.deleted', { operation: 'deleteMe', user_id: mallory.id, ...by(mallory) })

    // The others are brought about in test/account, test/auth and test/webhooks.
    const named = [...readFileSync(new URL('../../src/audit/events.ts', import.meta.url), 'utf8').matchAll(/^ {2}\| '(.*)'$/gm)].map(
      ([, action]) => action,
    )
    t.same(
      named.filter((action) => !seen.has(String(action))),
      [
        ...['email.change_requested', 'email.changed', 'email.verified', 'password.reset', 'password.reset_requested'],
        ...['webhook.created', 'webhook.deleted', 'webhook.disabled', 'webhook.secret_rotated', 'webhook.updated'],
      ],
    )
  })

  t.test('keeps nothing of what was refused or undone', async (t) => {
    const ada = await register()
    const before = await count()
    const body = { username: ada.username, email: 'new@example.com', password: PASSWORD }
    await as()('register', { body, expect: 409 })
    await as()('register', { body: { ...body, username: 'new', password: 'password1' }, expect: 422 })
    const eve = await register()
    await as(eve)('updateMe', { body: { username: ada.username }, expect: 409 })
    await as(root)('deleteUser', { params: { userId: root.id }, expect: 409 })
    await as(root)('updateUser', { params: { userId: root.id }, body: { role: 'user' }, expect: 409 })
    await as(root)('getUser', { params: { userId: '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10' }, expect: 404 })
    await as(ada)('revokeSession', { params: { sessionId: sessionIdOf(eve) }, expect: 404 })
    t.equal((await count()) - before, 2, 'the registration of Eve and her login')
  })

  t.test('keeps one denial a minute of each user and door', async (t) => {
    const [ada, eve] = [await register(), await register()]
    for (let knock = 0; knock < 10; knock++) await as(ada)('listUsers', { expect: 403 })
    await as(eve)('listUsers', { expect: 403 })
    t.equal((await denials(eve, 1)).length, 1)
    for (let knock = 0; knock < 10; knock++) await as(ada)('listAuditEvents', { expect: 403 })
    await as(ada)('getUser', { params: { userId: eve.id }, expect: 403 })
    t.same(
      (await denials(ada, 3)).map(({ operation }) => operation),
      ['listUsers', 'listAuditEvents', 'getUser'],
    )
    const grant = { grant_type: 'password', username: root.username, password: PASSWORD, scope: 'tasks:read' } as const
    const { body: narrow } = await as()('createToken', { body: grant, expect: 200 })
    await as({ accessToken: narrow.access_token })('getMe', { expect: 403 })
    t.match(await denials(root, 1), [{ operation: 'getMe', session_id: sessionIdOf({ accessToken: narrow.access_token }) }])
    await as()('listUsers', { expect: 401 })
  })

  t.test('is append-only: no SQL changes or deletes an event, save the end of its retention', async (t) => {
    const before = await everyValue(db)
    for (const statement of [
      sql`update audit_events set action = 'user.read'`,
      sql`update audit_events set changed_fields = '{}' where user_id = ${root.id}`,
      sql`delete from audit_events`,
      sql`delete from audit_events where user_id = ${root.id}`,
      sql`truncate audit_events`,
      sql`truncate users, audit_events cascade`,
    ]) {
      await t.rejects(statement.execute(db), { message: 'audit events are only ever added' })
    }
    // The setting that ends retention holds for its own transaction, and for deleting alone.
    await t.rejects(
      db.transaction().execute(async (trx) => {
        await sql`set local docket.audit_retention = 'on'`.execute(trx)
        await sql`update audit_events set action = 'user.read'`.execute(trx)
      }),
      { message: 'audit events are only ever added' },
    )
    t.equal(await everyValue(db), before)
  })

  t.test('deleteAuditEventsBefore ends the retention of what is older, and of nothing else', async (t) => {
    const all = await db.selectFrom('audit_events').select(['id', 'occurred_at']).orderBy('id').execute()
    const instant = all[Math.floor(all.length / 2)]?.occurred_at ?? ''
    t.equal(await deleteAuditEventsBefore(db, instant, 1000), all.filter(({ occurred_at }) => occurred_at < instant).length)
    const left = await db.selectFrom('audit_events').select(['id', 'occurred_at']).orderBy('id').execute()
    t.same(
      left,
      all.filter(({ occurred_at }) => occurred_at >= instant),
    )
    t.ok(left.length > 0 && left.length < all.length)
    await t.rejects(sql`delete from audit_events`.execute(db), { message: 'audit events are only ever added' })
  })

  t.test('holds no secret and no text of anybody', async (t) => {
    const marker = (what: string) => `marker-${what}-5d0e7f3a91c2`
    const body = { username: 'marker-name', email: `${marker('address')}@example.com`, password: marker('password') }
    const { body: ada } = await as()('register', { body, expect: 201 })
    const session = await logIn(root)
    await as()('login', { body: { username: marker('unknown-name').slice(0, 32), password: marker('wrong-password') }, expect: 401 })
    await as()('login', { body: { username: body.username, password: marker('wrong-password') }, expect: 401 })
    await as(ada)('createTask', {
      body: { title: marker('title'), description: marker('description'), categories: [marker('category')] },
      expect: 201,
    })
    await as(ada)('listTasks', { query: { q: marker('search') }, expect: 200 })
    const token = { name: marker('token-name'), scopes: ['account:write' as const], currentPassword: body.password }
    const { body: apiToken } = await as(ada)('createApiToken', { body: token, expect: 201 })
    await as(ada)('updateMe', { body: { username: 'marker-other-name', timeZone: 'Asia/Kathmandu' }, expect: 200 })
    await as(ada)('changePassword', { body: { currentPassword: body.password, newPassword: marker('new-password') }, expect: 204 })
    await as(ada)('changePassword', { body: { currentPassword: marker('refused'), newPassword: marker('newest') }, expect: 422 })
    const { body: next } = await as()('refresh', { body: { refreshToken: ada.refreshToken }, expect: 200 })
    await as(session)('listUsers', { query: { q: 'marker-' }, expect: 200 })
    await as(ada)('listUsers', { query: { q: 'marker-' }, expect: 403 })
    await as(session)('deleteUser', { params: { userId: ada.user.id }, expect: 204 })
    const { rows } = await sql<{ text: string }>`select e::text as text from audit_events as e where e::text like ${`%${ada.user.id}%`}`.execute(db)
    t.ok(rows.length > 5)
    // All of it, in whatever column: the user is deleted, so nothing else may hold it either.
    const values = await everyValue(db)
    for (const secret of [
      'marker-',
      'Asia/Kathmandu',
      apiToken.token,
      apiToken.token.slice(47, 90),
      ada.accessToken,
      ada.refreshToken,
      next.refreshToken,
    ])
      t.notOk(values.includes(secret), secret.slice(0, 20))
    t.notOk(logged.some((line) => line['msg'] === 'a denial could not be recorded'))
  })
})
