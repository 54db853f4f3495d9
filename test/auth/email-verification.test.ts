import { sql } from 'kysely'
import t from 'tap'
import { createDatabase, EMBEDDED, PASSWORD, type Person, startApp, type TestApp } from '../support/app.ts'
import { mailTokenOf } from '../support/mail-tokens.ts'
import { jobsDone, startAppWithMail, textOf, tokenIn, tokenOf } from '../support/mailbox.ts'

const VERIFY = 'Verify your e-mail address'
const BAD_TOKEN = { status: 422, body: { errors: [{ in: 'body', path: '/token', code: 'token', message: 'is unknown, expired or used' }] } }
const NOT_VERIFIED = { status: 403, body: { code: 'EMAIL_NOT_VERIFIED' } }

t.test('the address of a registration', async (t) => {
  const { as, context, mailbox, register } = await startAppWithMail(t)
  const { db } = context
  const isVerified = async (person: Person) => (await as(person)('getMe', { expect: 200 })).body.emailVerified

  t.test('is verified with the token that is mailed to it, once', async (t) => {
    const ada = await register()
    t.equal(await isVerified(ada), false)
    const mail = await mailbox.next(ada.email, VERIFY)
    t.same(mail.to, [ada.email])
    t.match(textOf(mail), `Hello ${ada.username},`)
    t.match(textOf(mail), 'enter this token in the app within 24 hours')
    t.match(textOf(mail), 'If you did not register, ignore this mail')
    t.equal(tokenIn(mail.parts['text/html']), tokenOf(mail))
    const { headers, text } = await as()('verifyEmail', { body: { token: tokenOf(mail) }, expect: 204 })
    t.equal(text, '')
    t.equal(headers.get('cache-control'), 'no-store')
    t.equal(await isVerified(ada), true)
    t.match(await as()('verifyEmail', { body: { token: tokenOf(mail) } }), BAD_TOKEN)
    const event = await db.selectFrom('audit_events').selectAll().where('user_id', '=', ada.id).where('action', '=', 'email.verified').execute()
    t.match(event, [{ operation: 'verifyEmail', actor_id: ada.id, session_id: null }])
  })

  t.test('gets no mail when nobody was registered', async (t) => {
    const ada = await register()
    await as()('register', { body: { username: ada.username, email: `new-${ada.email}`, password: PASSWORD }, expect: 409 })
    await jobsDone(context)
    t.same(mailbox.subjectsTo(`new-${ada.email}`), [])
  })

  t.test('422 to a token that is bad for any reason, and nothing is verified', async (t) => {
    const [ada, bob, carl, eve] = [await register(), await register(), await register(), await register()]
    const expired = await mailTokenOf(context, bob, 'verify_email')
    await db.updateTable('mail_tokens').set({ expires_at: sql`now()` }).where('user_id', '=', bob.id).execute()
    const ofOtherAddress = await mailTokenOf(context, { id: ada.id, email: bob.email }, 'verify_email')
    const good = await mailTokenOf(context, ada, 'verify_email')
    const ofGone = await mailTokenOf(context, carl, 'verify_email')
    await as(carl)('deleteMe', { body: { currentPassword: PASSWORD }, expect: 204 })
    const ofDisabled = await mailTokenOf(context, eve, 'verify_email')
    await db.updateTable('users').set({ disabled_at: new Date().toISOString() }).where('id', '=', eve.id).execute()
    const forReset = await mailTokenOf(context, ada, 'reset_password')
    const flipped = good.slice(0, 50) + (good[50] === 'A' ? 'B' : 'A') + good.slice(51)
    for (const token of [expired, ofOtherAddress, ofGone, ofDisabled, forReset, flipped, 'x', `${good}A`, ada.refreshToken]) {
      t.match(await as()('verifyEmail', { body: { token } }), BAD_TOKEN)
    }
    t.equal(await isVerified(ada), false)
    t.equal(await isVerified(bob), false)
    const { email_verified_at } = await db.selectFrom('users').select('email_verified_at').where('id', '=', eve.id).executeTakeFirstOrThrow()
    t.equal(email_verified_at, null)
    await as()('verifyEmail', { body: { token: good }, expect: 204 })
    t.equal(await isVerified(bob), false)
  })

  t.test('of many requests with one token at once, one succeeds', async (t) => {
    const ada = await register()
    const token = await mailTokenOf(context, ada, 'verify_email')
    const answers = await Promise.all(Array.from({ length: 8 }, () => as()('verifyEmail', { body: { token } })))
    t.equal(answers.filter(({ status }) => status === 204).length, 1)
    t.equal(answers.filter(({ status }) => status === 422).length, 7)
  })

  t.test('is mailed to again on demand, not more than once a minute and five times an hour, until it is verified', async (t) => {
    const ada = await register()
    const mails = () => mailbox.subjectsTo(ada.email).filter((subject) => subject === VERIFY).length
    const later = () => sql`update mail_tokens set created_at = created_at - interval '61 seconds' where user_id = ${ada.id}`.execute(db)
    const first = await mailbox.next(ada.email, VERIFY)
    await as(ada)('resendVerification', { expect: 202 })
    await jobsDone(context)
    t.equal(mails(), 1)
    for (let count = 2; count <= 7; count++) {
      await later()
      await Promise.all([as(ada)('resendVerification', { expect: 202 }), as(ada)('resendVerification', { expect: 202 })])
      await jobsDone(context)
      t.equal(mails(), Math.min(count, 5))
    }
    await as()('verifyEmail', { body: { token: tokenOf(first) }, expect: 204 })
    await sql`delete from mail_tokens where user_id = ${ada.id}`.execute(db)
    await as(ada)('resendVerification', { expect: 202 })
    await jobsDone(context)
    t.equal(mails(), 5)
  })

  t.test('403 to an API token, and to a session without account:write', async (t) => {
    const ada = await register()
    const body = { name: 'Sync', scopes: ['account:write' as const], currentPassword: PASSWORD }
    const { token } = (await as(ada)('createApiToken', { body, expect: 201 })).body
    t.match(await as({ accessToken: token })('resendVerification'), { status: 403, body: { code: 'FORBIDDEN' } })
    t.match(await as(await narrowed(as, ada, 'account:read'))('resendVerification'), { status: 403, body: { code: 'INSUFFICIENT_SCOPE' } })
  })
})

t.test('a page of the app', async (t) => {
  const { mailbox, register } = await startAppWithMail(t, { VERIFY_EMAIL_URL: 'https://app.example.com/verify/{token}' })
  const ada = await register()
  const mail = await mailbox.next(ada.email, VERIFY)
  t.match(textOf(mail), `Verify this address: https://app.example.com/verify/${tokenOf(mail)}\n`)
})

t.test('REQUIRE_VERIFIED_EMAIL', async (t) => {
  const database = await createDatabase(t)
  const settings = { REQUIRE_VERIFIED_EMAIL: 'true' }
  const a = await startApp(t, settings, database)
  const b = EMBEDDED ? a : await startApp(t, settings, database)
  const { as, context, register } = a
  const { db } = context
  const verify = async (person: Person) => as()('verifyEmail', { body: { token: await mailTokenOf(context, person, 'verify_email') }, expect: 204 })
  const setUnverified = async ({ id }: Person) => {
    await db.updateTable('users').set({ email_verified_at: null }).where('id', '=', id).execute()
    await sql`select pg_notify('docket', ${`user:${id}`})`.execute(db)
    await context.notifications.settle()
  }

  t.test('403 to all but account operations until the address is verified, then at once everything on every instance', async (t) => {
    const ada = await register()
    const { status, body, headers } = await b.as(ada)('listTasks')
    t.match({ status, body }, NOT_VERIFIED)
    t.match(headers.get('www-authenticate'), 'scope="tasks:read"')
    t.match(await as(ada)('createTask', { body: { title: 'Milk' } }), NOT_VERIFIED)
    t.match(await as(ada)('listLists'), NOT_VERIFIED)
    await as(ada)('getMe', { expect: 200 })
    await as(ada)('updateMe', { body: { timeZone: 'Europe/Berlin' }, expect: 200 })
    await as(ada)('listSessions', { expect: 200 })
    await as(ada)('resendVerification', { expect: 202 })
    const later = (await as()('login', { body: { username: ada.username, password: PASSWORD }, expect: 200 })).body
    t.match(await as(later)('listTasks'), NOT_VERIFIED)
    await verify(ada)
    for (const { as } of [a, b]) for (const session of [ada, later]) t.equal((await as(session)('listTasks')).status, 200)
  })

  t.test('a password reset verifies as well', async (t) => {
    const ada = await register()
    const token = await mailTokenOf(context, ada, 'reset_password')
    await as()('resetPassword', { body: { token, password: 'tr0ub4dor and three more' }, expect: 204 })
    const { body } = await as()('login', { body: { username: ada.username, password: 'tr0ub4dor and three more' }, expect: 200 })
    t.equal((await b.as(body)('listTasks')).status, 200)
  })

  t.test('API tokens likewise, and none is made for what must wait', async (t) => {
    const ada = await register()
    const tokenFor = (scope: 'tasks:read' | 'account:read') =>
      as(ada)('createApiToken', { body: { name: 'Sync', scopes: [scope], currentPassword: PASSWORD } })
    t.match(await tokenFor('tasks:read'), NOT_VERIFIED)
    t.equal((await tokenFor('account:read')).status, 201)
    await verify(ada)
    const created = await tokenFor('tasks:read')
    if (created.status !== 201) throw new Error(created.text)
    const sync = { accessToken: created.body.token }
    await b.as(sync)('listTasks', { expect: 200 })
    await setUnverified(ada)
    t.match(await b.as(sync)('listTasks'), NOT_VERIFIED)
    t.match(await b.as(sync)('createTask', { body: { title: 'Milk' } }), { status: 403, body: { code: 'INSUFFICIENT_SCOPE' } })
    await verify(ada)
    t.equal((await b.as(sync)('listTasks')).status, 200)
  })

  t.test('a narrowed session lacks what it lacks', async (t) => {
    const ada = await register()
    const session = await narrowed(as, ada, 'account:read')
    t.match(await as(session)('listTasks'), { status: 403, body: { code: 'INSUFFICIENT_SCOPE' } })
    t.match(await as(session)('updateMe', { body: { timeZone: 'Europe/Berlin' } }), { status: 403, body: { code: 'INSUFFICIENT_SCOPE' } })
  })

  t.test('admins likewise; others stay no admins', async (t) => {
    const grace = await a.registerAdmin()
    t.match(await as(grace)('listUsers'), NOT_VERIFIED)
    t.match(await as(await register())('listUsers'), { status: 403, body: { code: 'FORBIDDEN' } })
    await verify(grace)
    t.equal((await as(grace)('listUsers')).status, 200)
  })

  t.test('a refresh says what the session was given, and changes nothing', async (t) => {
    const ada = await register()
    const { body } = await as()('refresh', { body: { refreshToken: ada.refreshToken }, expect: 200 })
    t.match(body.scope, 'tasks:read')
    t.match(await as(body)('listTasks'), NOT_VERIFIED)
  })
})

async function narrowed(as: TestApp['as'], { username }: Person, scope: string): Promise<{ accessToken: string }> {
  const { body } = await as()('createToken', { body: { grant_type: 'password', username, password: PASSWORD, scope }, expect: 200 })
  return { accessToken: body.access_token }
}
