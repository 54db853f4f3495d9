import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import t from 'tap'
import { mailToken } from '../../src/account-mail/sending.ts'
import { MailTokens } from '../../src/account-mail/tokens.ts'
import { newId } from '../../src/id.ts'
import { deriveKeys } from '../../src/keys.ts'
import { createDatabase, EMBEDDED, PASSWORD, type Person, startApp, type TestApp } from '../support/app.ts'
import { insertToken, mailTokenOf } from '../support/mail-tokens.ts'
import { jobsDone, startAppWithMail, startMailbox, textOf, tokenIn, tokenOf } from '../support/mailbox.ts'

const NEW_PASSWORD = 'tr0ub4dor and three more'
const RESET = 'Reset your password'
const BAD_TOKEN = {
  status: 422,
  body: { code: 'VALIDATION_FAILED', errors: [{ in: 'body', path: '/token', code: 'token', message: 'is unknown, expired or used' }] },
}

t.test('a forgotten password', async (t) => {
  const app = await startAppWithMail(t)
  const { as, context, mailbox, register } = app
  const { db } = context

  t.test('is replaced with the token from a mail, and every session ends', async (t) => {
    const ada = await register()
    t.equal((await as()('requestPasswordReset', { body: { email: ada.email.toUpperCase() } })).status, 202)
    const mail = await mailbox.next(ada.email, RESET)
    t.same(mail.to, [ada.email])
    t.match(textOf(mail), `Hello ${ada.username},`)
    t.match(textOf(mail), 'within 30 minutes')
    t.match(textOf(mail), 'If you did not ask for this, you need not do anything')
    t.equal(tokenIn(mail.parts['text/html']), tokenOf(mail))
    for (const part of Object.values(mail.parts)) t.notMatch(part, /127\.0\.0\.1|user-agent|http|correct horse/i, 'and says nothing of who asked')

    const { text, headers } = await as()('resetPassword', { body: { token: tokenOf(mail), password: NEW_PASSWORD }, expect: 204 })
    t.equal(text, '')
    t.equal(headers.get('cache-control'), 'no-store')
    t.equal((await as(ada)('getMe')).status, 401)
    t.equal((await as()('refresh', { body: { refreshToken: ada.refreshToken } })).status, 401)
    t.equal((await as()('login', { body: { username: ada.username, password: PASSWORD } })).status, 401)
    const { body } = await as()('login', { body: { username: ada.username, password: NEW_PASSWORD }, expect: 200 })
    t.equal(body.user.emailVerified, true, 'the mail has proven the address')

    const told = await mailbox.next(ada.email, 'Your password was reset')
    t.match(textOf(told), /If it was not you, reset your password at once/)
    t.throws(() => tokenOf(told))
    t.same(
      await actionsOf(app, ada),
      ['user.registered', 'login.succeeded', 'password.reset_requested', 'password.reset'].concat([
        'email.verified',
        'login.failed',
        'login.succeeded',
      ]),
    )
  })

  t.test('API tokens and webhooks go on, unless the address was not verified: somebody else may have registered with it', async (t) => {
    const [ada, eve] = [await register(), await register()]
    await as()('verifyEmail', { body: { token: await mailTokenOf(context, ada, 'verify_email') }, expect: 204 })
    const after = async (person: Person) => {
      const newToken = { name: 'Sync', scopes: ['tasks:read' as const], currentPassword: PASSWORD }
      const { body } = await as(person)('createApiToken', { body: newToken, expect: 201 })
      await as({ accessToken: body.token })('listTasks', { expect: 200 })
      await as(person)('createWebhook', { body: { url: 'https://hooks.example.com', events: ['task.created'] }, expect: 201 })
      await as()('resetPassword', { body: { token: await mailTokenOf(context, person, 'reset_password'), password: NEW_PASSWORD }, expect: 204 })
      const { status } = await as({ accessToken: body.token })('listTasks')
      return {
        status,
        webhooks: (await context.db.selectFrom('webhooks').select('id').where('owner_id', '=', person.id).where('enabled', '=', true).execute())
          .length,
      }
    }
    t.same(await after(ada), { status: 200, webhooks: 1 })
    t.same(await after(eve), { status: 401, webhooks: 0 })
    t.match(await actionsOf(app, eve), [
      'user.registered',
      'login.succeeded',
      'api_token.created',
      'webhook.created',
      'password.reset',
      'email.verified',
      'api_token.revoked',
      'webhook.disabled',
    ])
  })

  t.test('the token works once', async (t) => {
    const ada = await register()
    const token = await mailTokenOf(context, ada, 'reset_password')
    await as()('resetPassword', { body: { token, password: NEW_PASSWORD }, expect: 204 })
    t.match(await as()('resetPassword', { body: { token, password: PASSWORD } }), BAD_TOKEN)
    t.equal((await as()('login', { body: { username: ada.username, password: NEW_PASSWORD } })).status, 200)
  })

  t.test('one that is used ends the others', async (t) => {
    const ada = await register()
    const [token, other] = [await mailTokenOf(context, ada, 'reset_password'), await mailTokenOf(context, ada, 'reset_password')]
    const verification = await mailTokenOf(context, ada, 'verify_email')
    const change = await mailTokenOf(context, { ...ada, email: `new-${ada.email}` }, 'change_email')
    await as()('resetPassword', { body: { token, password: NEW_PASSWORD }, expect: 204 })
    t.match(await as()('resetPassword', { body: { token: other, password: PASSWORD } }), BAD_TOKEN)
    for (const spent of [verification, change]) t.match(await as()('verifyEmail', { body: { token: spent } }), BAD_TOKEN)
  })

  t.test('422 to every bad token, with the same answer', async (t) => {
    const [ada, bob] = [await register(), await register()]
    const row = newId()
    const good = await mailTokenOf(context, ada, 'reset_password')
    const flipped = (index: number) => good.slice(0, index) + (good[index] === 'A' ? 'B' : 'A') + good.slice(index + 1)
    const bytes = Buffer.from(good, 'base64url')
    const idsOfBob = Buffer.concat([Buffer.from(bob.id.replaceAll('-', ''), 'hex'), bytes.subarray(16)])
    const foreignKeys = new MailTokens(deriveKeys(['another secret that is long enough']).mailToken)
    const tokens = new MailTokens(context.keys.mailToken)
    const changed = async (person: Person, change: () => Promise<unknown>) => {
      const token = await mailTokenOf(context, person, 'reset_password')
      await change()
      return token
    }
    const [carl, dora, eve, fred] = [await register(), await register(), await register(), await register()]
    const bad: Record<string, string> = {
      'no token at all': 'x',
      'of random bytes': randomBytes(64).toString('base64url'),
      'cut off': good.slice(0, -1),
      'with more behind it': `${good}A`,
      'with spaces': ` ${good} `,
      padded: `${good}==`,
      'in another alphabet': bytes.toString('base64'),
      'of another user': idsOfBob.toString('base64url'),
      'of a row that never was': tokens.encode({ userId: ada.id, id: row, purpose: 'reset_password' }),
      'of a user that never was': tokens.encode({ userId: newId(), id: row, purpose: 'reset_password' }),
      'of another key': foreignKeys.encode({ userId: ada.id, id: row, purpose: 'reset_password' }),
      'for verifying': await mailTokenOf(context, ada, 'verify_email'),
      'for a change of address': await mailTokenOf(context, ada, 'change_email'),
      'a refresh token': ada.refreshToken,
      expired: await changed(fred, () => db.updateTable('mail_tokens').set({ expires_at: sql`now()` }).where('user_id', '=', fred.id).execute()),
      'from before the password was changed': await changed(carl, () =>
        as(carl)('changePassword', { body: { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }, expect: 204 }),
      ),
      'sent to the address before': await changed(dora, () =>
        db
          .updateTable('users')
          .set({ email: `new-${dora.email}` })
          .where('id', '=', dora.id)
          .execute(),
      ),
      'of a user who is gone': await changed(eve, () => as(eve)('deleteMe', { body: { currentPassword: PASSWORD }, expect: 204 })),
      ...Object.fromEntries([0, 20, 21, 42, 43, 70, 85].map((index) => [`with character ${index} flipped`, flipped(index)])),
    }
    const answers = new Set<string>()
    for (const [what, token] of Object.entries(bad)) {
      const { status, body, text } = await as()('resetPassword', {
        body: { token, password: NEW_PASSWORD },
        headers: { 'X-Request-Id': 'the-same-for-all' },
      })
      t.match({ status, body }, BAD_TOKEN, what)
      answers.add(text)
    }
    t.equal(answers.size, 1)
    await as()('resetPassword', { body: { token: good, password: NEW_PASSWORD }, expect: 204 })
    t.equal((await as()('login', { body: { username: bob.username, password: PASSWORD } })).status, 200)
  })

  t.test('422 to a password that others would try first, which does not use the token up', async (t) => {
    const ada = await register()
    const token = await mailTokenOf(context, ada, 'reset_password')
    for (const [password, code] of [
      ['password1', 'common'],
      [ada.username.toUpperCase(), 'own'],
      [ada.email, 'own'],
      ['short', 'minLength'],
    ] as const) {
      const { status, body } = await as()('resetPassword', { body: { token, password } })
      t.match({ status, body }, { status: 422, body: { errors: [{ path: '/password', code }] } }, password)
    }
    t.equal((await as(ada)('getMe')).status, 200)
    t.equal((await as()('resetPassword', { body: { token, password: NEW_PASSWORD } })).status, 204)
  })

  t.test('a disabled user gets no mail, and a token from before does nothing', async (t) => {
    const eve = await register()
    const token = await mailTokenOf(context, eve, 'reset_password')
    await db.updateTable('mail_tokens').set({ created_at: sql`created_at - interval '2 minutes'` }).where('user_id', '=', eve.id).execute()
    await db.updateTable('users').set({ disabled_at: new Date().toISOString() }).where('id', '=', eve.id).execute()
    await as()('requestPasswordReset', { body: { email: eve.email }, expect: 202 })
    t.match(await as()('resetPassword', { body: { token, password: NEW_PASSWORD } }), BAD_TOKEN)
    await jobsDone(context)
    t.notOk(mailbox.subjectsTo(eve.email).includes(RESET))
    const user = await db.selectFrom('users').selectAll().where('id', '=', eve.id).executeTakeFirstOrThrow()
    t.ok(user.disabled_at)
    t.equal(user.email_verified_at, null)
    t.equal((await as()('login', { body: { username: eve.username, password: NEW_PASSWORD } })).status, 401)
  })

  t.test('a user who is disabled between the request and the mail gets none', async (t) => {
    const eve = await register()
    const tokenId = await insertToken(context, eve, 'reset_password')
    await db.transaction().execute(async (trx) => {
      await trx.updateTable('users').set({ disabled_at: new Date().toISOString() }).where('id', '=', eve.id).execute()
      await context.jobs.send(trx, mailToken, { userId: eve.id, tokenId })
    })
    await jobsDone(context)
    t.notOk(mailbox.subjectsTo(eve.email).includes(RESET))
  })

  t.test('a stranger who asks again and again neither floods the mailbox nor voids the link', async (t) => {
    const ada = await register()
    const ask = () => as()('requestPasswordReset', { body: { email: ada.email }, expect: 202 })
    const resets = () => mailbox.subjectsTo(ada.email).filter((subject) => subject === RESET).length
    const later = () =>
      db.updateTable('mail_tokens').set({ created_at: sql`created_at - interval '61 seconds'` }).where('user_id', '=', ada.id).execute()
    await Promise.all(Array.from({ length: 8 }, ask))
    const first = await mailbox.next(ada.email, RESET)
    await jobsDone(context)
    t.equal(resets(), 1, 'one a minute')
    for (let mails = 2; mails <= 7; mails++) {
      await later()
      await ask()
      await jobsDone(context)
      t.equal(resets(), Math.min(mails, 5), 'five an hour')
    }
    t.equal((await as()('resetPassword', { body: { token: tokenOf(first), password: NEW_PASSWORD } })).status, 204)
  })

  t.test('a mail whose link has expired before it could be sent is not sent', async (t) => {
    const ada = await register()
    const tokenId = await insertToken(context, ada, 'reset_password')
    await db.updateTable('mail_tokens').set({ expires_at: sql`now()` }).where('id', '=', tokenId).execute()
    await context.jobs.send(db, mailToken, { userId: ada.id, tokenId })
    await jobsDone(context)
    t.notOk(mailbox.subjectsTo(ada.email).includes(RESET))
  })

  t.test('no token is kept or logged anywhere', async (t) => {
    const ada = await register()
    await as()('requestPasswordReset', { body: { email: ada.email }, expect: 202 })
    const token = tokenOf(await mailbox.next(ada.email, RESET))
    const everything = async () => {
      const tables = ['pgboss.job', 'mail_tokens', 'audit_events']
      const texts = await Promise.all(tables.map((table) => sql<{ text: string }>`select r::text as text from ${sql.raw(table)} r`.execute(db)))
      return [...texts.flatMap(({ rows }) => rows.map(({ text }) => text)), ...app.logged.map((line) => JSON.stringify(line))]
    }
    const signature = Buffer.from(token, 'base64url').subarray(32)
    const secrets = [token, signature.toString('hex'), signature.toString('base64'), signature.toString('base64url')]
    const holding = (texts: string[]) => texts.filter((text) => secrets.some((secret) => text.includes(secret)))
    const before = await everything()
    t.ok(
      before.some((text) => text.includes(ada.id)),
      'or this would look at nothing',
    )
    t.same(holding(before), [])
    await as()('resetPassword', { body: { token: `${token}x`, password: NEW_PASSWORD }, expect: 422 })
    await as()('resetPassword', { body: { token, password: NEW_PASSWORD }, expect: 204 })
    await mailbox.next(ada.email, 'Your password was reset')
    t.same(holding(await everything()), [])
  })
})

t.test('over two instances', async (t) => {
  const mailbox = await startMailbox(t)
  const database = await createDatabase(t)
  const a = await startApp(t, mailbox.settings, database)
  const b = EMBEDDED ? a : await startApp(t, mailbox.settings, database)

  t.test('of many requests with one token at once, one succeeds', async (t) => {
    for (let round = 0; round < 5; round++) {
      const ada = await a.register()
      const token = await mailTokenOf(a.context, ada, 'reset_password')
      const passwords = Array.from({ length: 8 }, (_, index) => `${NEW_PASSWORD} ${index}`)
      const answers = await Promise.all(passwords.map((password, index) => (index % 2 ? a : b).as()('resetPassword', { body: { token, password } })))
      const statuses = answers.map(({ status }) => status)
      t.same(statuses.toSorted(), [204, 422, 422, 422, 422, 422, 422, 422])
      const winner = passwords[statuses.indexOf(204)] ?? ''
      t.equal((await a.as()('login', { body: { username: ada.username, password: winner } })).status, 200)
    }
  })

  t.test('a reset and a change of the password at once: never both in vain, and no token survives', async (t) => {
    for (let round = 0; round < 5; round++) {
      const ada = await a.register()
      const token = await mailTokenOf(a.context, ada, 'reset_password')
      const [reset, change] = await Promise.all([
        a.as()('resetPassword', { body: { token, password: NEW_PASSWORD } }),
        b.as(ada)('changePassword', { body: { currentPassword: PASSWORD, newPassword: `${NEW_PASSWORD} instead` } }),
      ])
      t.equal([reset.status, change.status].filter((status) => status === 204).length, 1, `${reset.status} ${change.status}`)
      t.match(await a.as()('resetPassword', { body: { token, password: PASSWORD } }), BAD_TOKEN)
    }
  })

  t.test('sessions end on both', async (t) => {
    const ada = await a.register()
    await b.as(ada)('getMe', { expect: 200 })
    await a.as()('resetPassword', { body: { token: await mailTokenOf(a.context, ada, 'reset_password'), password: NEW_PASSWORD }, expect: 204 })
    t.equal((await b.as(ada)('getMe')).status, 401)
  })

  t.test('requests on both at once: one mail', async (t) => {
    const ada = await a.register()
    await Promise.all([a, b, a, b].map(({ as }) => as()('requestPasswordReset', { body: { email: ada.email }, expect: 202 })))
    await mailbox.next(ada.email, RESET)
    await jobsDone(a.context)
    t.equal(mailbox.subjectsTo(ada.email).filter((subject) => subject === RESET).length, 1)
  })
})

async function actionsOf({ context: { db } }: TestApp, { id }: Person): Promise<string[]> {
  const events = await db.selectFrom('audit_events').select('action').where('user_id', '=', id).orderBy('id').execute()
  return events.map(({ action }) => action)
}
