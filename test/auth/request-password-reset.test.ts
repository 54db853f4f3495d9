import { type KyselyPlugin, sql } from 'kysely'
import t from 'tap'
import { mailToken } from '../../src/account-mail/sending.ts'
import { serve } from '../contract/walk.ts'
import { EMBEDDED, PASSWORD, startApp } from '../support/app.ts'
import { callerOf } from '../support/client.ts'
import { until, workJob } from '../support/jobs.ts'
import { insertToken } from '../support/mail-tokens.ts'
import { startAppWithMail, textOf, tokenIn, tokenOf } from '../support/mailbox.ts'

const NEW_PASSWORD = 'tr0ub4dor and three more'
const RESET = 'Reset your password'

t.test('that an address is registered shows nowhere', async (t) => {
  const { as, context, register } = await startApp(t)
  const { db } = context
  const [ada, eve] = [await register(), await register()]
  await db.updateTable('users').set({ disabled_at: new Date().toISOString() }).where('id', '=', eve.id).execute()
  const addresses = {
    'somebody’s': ada.email,
    'the same in capitals': ada.email.toUpperCase(),
    'of a disabled user': eve.email,
    'nobody’s': 'nobody@example.com',
  }

  t.test('in the answer', async (t) => {
    const answers = new Map<string, string>()
    for (const [whose, email] of Object.entries(addresses)) {
      const { status, headers, text } = await as()('requestPasswordReset', { body: { email }, headers: { 'X-Request-Id': 'the-same-for-all' } })
      const shown = [...headers].filter(([name]) => name !== 'date')
      answers.set(whose, JSON.stringify({ status, shown, text }))
    }
    t.equal(new Set(answers.values()).size, 1, JSON.stringify([...answers]))
    t.match([...answers.values()][0], '"status":202')
  })

  t.test('in the statements', async (t) => {
    let statements = 0
    const counting: KyselyPlugin = {
      transformQuery: ({ node }) => node,
      transformResult: async ({ result }) => {
        statements += 1
        return result
      },
    }
    const watched = await serve(
      t,
      { ...context, db: db.withPlugin(counting), reservedDb: context.reservedDb.withPlugin(counting) },
      (handlers) => handlers,
    )
    const counts = new Map<string, number>()
    for (const [whose, email] of Object.entries(addresses)) {
      statements = 0
      await callerOf(watched, undefined, new Map())('requestPasswordReset', { body: { email }, expect: 202 })
      counts.set(whose, statements)
    }
    t.ok((counts.get('nobody’s') ?? 0) >= 4, 'to look, to note, to send, to wake')
    t.equal(new Set(counts.values()).size, 1, JSON.stringify([...counts]))
  })

  t.test('in the jobs: as many for each, and no addresses', async (t) => {
    const { rows } = await sql<{ data: object }>`select data from pgboss.job where name = 'prepare-password-reset' order by created_on`.execute(db)
    t.same(
      rows.map(({ data }) => data),
      [ada.id, ada.id, eve.id, null, ada.id, ada.id, eve.id, null].map((userId) => ({ userId })),
    )
  })
})

t.test('a page of the app', async (t) => {
  const { as, mailbox, register } = await startAppWithMail(t, { RESET_PASSWORD_URL: 'https://app.example.com/reset?from=mail&x="#{token}' })
  const ada = await register()
  await as()('requestPasswordReset', { body: { email: ada.email }, expect: 202 })
  const mail = await mailbox.next(ada.email, RESET)
  const token = tokenOf(mail)
  t.match(textOf(mail), `Set a new password: https://app.example.com/reset?from=mail&x="#${token}\n`)
  t.match(mail.parts['text/html'], `<a href="https://app.example.com/reset?from=mail&amp;x=&quot;#${token}">Set a new password</a>`)
  await as()('resetPassword', { body: { token, password: NEW_PASSWORD }, expect: 204 })
})

t.test('a mail that fails is sent again with the same link', async (t) => {
  const { as, context, register } = await startApp(t)
  const ada = await register()
  const sent: string[] = []
  const send = async ({ text }: { text: string }) => {
    sent.push(text)
    if (sent.length === 1) throw new Error('The mail server cannot be reached.')
  }
  const tokenId = await insertToken(context, ada, 'reset_password')
  const attempt = () => workJob({ ...context, mailer: { send } }, mailToken.name, { userId: ada.id, tokenId })
  await t.rejects(attempt(), { message: 'The mail server cannot be reached.' })
  await attempt()
  t.equal(sent.length, 2)
  t.equal(tokenIn(sent[1]), tokenIn(sent[0]))
  await as()('resetPassword', { body: { token: tokenIn(sent[1]), password: NEW_PASSWORD }, expect: 204 })
})

t.test('without a mail server', async (t) => {
  t.test('the embedded database has the mail logged', { skip: !EMBEDDED }, async (t) => {
    const { as, logged, register } = await startApp(t, { SMTP_URL: '', JOBS: 'on' })
    const ada = await register()
    await as()('requestPasswordReset', { body: { email: ada.email }, expect: 202 })
    const find = () => logged.find(({ to, subject }) => to === ada.email && subject === RESET)
    await until(() => find() !== undefined)
    const token = tokenIn(String(find()?.['text']))
    t.equal((await as()('resetPassword', { body: { token, password: NEW_PASSWORD } })).status, 204)
  })

  t.test('503 elsewhere, for every address alike; registering and changing the password go on', async (t) => {
    const { as, context, register } = await startApp(t, { SMTP_URL: '', NODE_ENV: 'production' })
    const ada = await register()
    for (const email of [ada.email, 'nobody@example.com']) t.equal((await as()('requestPasswordReset', { body: { email } })).status, 503)
    t.equal((await as(ada)('resendVerification')).status, 503)
    t.equal((await as(ada)('changeEmail', { body: { currentPassword: PASSWORD, email: 'new@example.com' } })).status, 503)
    await as(ada)('changePassword', { body: { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }, expect: 204 })
    const { rows } = await sql`select from pgboss.job where name not like '\\_\\_%'`.execute(context.db)
    t.same(rows, [])
    t.same(await context.db.selectFrom('mail_tokens').selectAll().execute(), [])
  })
})
