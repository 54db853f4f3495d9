import { sql } from 'kysely'
import t from 'tap'
import { createDatabase, EMBEDDED, PASSWORD, type Person, startApp } from '../support/app.ts'
import { mailTokenOf } from '../support/mail-tokens.ts'
import { jobsDone, startAppWithMail, textOf, tokenOf } from '../support/mailbox.ts'

const CONFIRM = 'Confirm your new e-mail address'
const CHANGED = 'Your e-mail address was changed'
const BAD_TOKEN = { status: 422, body: { errors: [{ in: 'body', path: '/token', code: 'token' }] } }

t.test('a change of address', async (t) => {
  const { as, context, logged, mailbox, register } = await startAppWithMail(t)
  const { db } = context
  const ask = (person: Person, email: string) => as(person)('changeEmail', { body: { currentPassword: PASSWORD, email } })
  const emailOf = async (person: { accessToken: string }) => (await as(person)('getMe', { expect: 200 })).body.email

  t.test('happens when the new address is confirmed, and the old one is told', async (t) => {
    const ada = await register()
    const address = `new-${ada.email}`
    const { status, text, headers } = await ask(ada, ` ${address} `)
    t.equal(status, 202)
    t.equal(text, '')
    t.equal(headers.get('cache-control'), 'no-store')
    t.equal(await emailOf(ada), ada.email)
    const mail = await mailbox.next(address, CONFIRM)
    t.match(textOf(mail), `Hello ${ada.username},`)
    t.match(textOf(mail), 'within 24 hours')
    t.match(textOf(mail), 'If you did not ask for this')
    t.notMatch(textOf(mail), ada.email, 'a stranger learns no address')
    t.equal((await as()('login', { body: { username: address, password: PASSWORD } })).status, 401)

    await as()('verifyEmail', { body: { token: tokenOf(mail) }, expect: 204 })
    const { body } = await as(ada)('getMe', { expect: 200 })
    t.match(body, { email: address, emailVerified: true })
    t.equal((await as()('login', { body: { username: address, password: PASSWORD } })).status, 200)
    const told = await mailbox.next(ada.email, CHANGED)
    t.notMatch(textOf(told), address)
    t.match(textOf(told), 'If it was not you')
    await jobsDone(context)
    t.notOk(mailbox.subjectsTo(address).includes(CHANGED))
    const events = await db
      .selectFrom('audit_events')
      .selectAll()
      .where('user_id', '=', ada.id)
      .where('action', 'like', 'email.%')
      .orderBy('id')
      .execute()
    t.match(events, [
      { action: 'email.change_requested', operation: 'changeEmail', actor_id: ada.id },
      { action: 'email.changed', operation: 'verifyEmail', changed_fields: ['email'] },
    ])
    t.notMatch(JSON.stringify([events, logged]), address)
    t.match(await as()('verifyEmail', { body: { token: tokenOf(mail) } }), BAD_TOKEN)
  })

  t.test('voids what was mailed to the old address', async (t) => {
    const ada = await register()
    const [reset, verification] = [await mailTokenOf(context, ada, 'reset_password'), await mailTokenOf(context, ada, 'verify_email')]
    await as()('verifyEmail', { body: { token: await mailTokenOf(context, { ...ada, email: `new-${ada.email}` }, 'change_email') }, expect: 204 })
    t.match(await as()('verifyEmail', { body: { token: verification } }), BAD_TOKEN)
    t.match(await as()('resetPassword', { body: { token: reset, password: 'tr0ub4dor and three more' } }), BAD_TOKEN)
    t.equal(await emailOf(ada), `new-${ada.email}`)
  })

  t.test('202 also to an address of somebody else, who shows only to whoever reads its mails', async (t) => {
    const [ada, bob] = [await register(), await register()]
    const answers = new Set<string>()
    for (const email of [bob.email, `free-${bob.email}`]) {
      const { status, headers, text } = await as(ada)('changeEmail', {
        body: { currentPassword: PASSWORD, email },
        headers: { 'X-Request-Id': 'the-same-for-all' },
      })
      answers.add(JSON.stringify({ status, headers: [...headers].filter(([name]) => name !== 'date'), text }))
    }
    t.equal(answers.size, 1)
    t.match([...answers][0], '"status":202')
    const token = await mailTokenOf(context, { id: ada.id, email: bob.email.toUpperCase() }, 'change_email')
    t.match(await as()('verifyEmail', { body: { token } }), { status: 409, body: { code: 'EMAIL_TAKEN' } })
    t.equal(await emailOf(ada), ada.email)
    await as(bob)('deleteMe', { body: { currentPassword: PASSWORD }, expect: 204 })
    await as()('verifyEmail', { body: { token }, expect: 204 })
    t.equal(await emailOf(ada), bob.email.toUpperCase(), 'the token was not used up')
  })

  t.test('replaces the one asked for before', async (t) => {
    const ada = await register()
    await ask(ada, `first-${ada.email}`)
    const first = tokenOf(await mailbox.next(`first-${ada.email}`, CONFIRM))
    await ask(ada, `second-${ada.email}`)
    const second = tokenOf(await mailbox.next(`second-${ada.email}`, CONFIRM))
    t.match(await as()('verifyEmail', { body: { token: first } }), BAD_TOKEN)
    await as()('verifyEmail', { body: { token: second }, expect: 204 })
    t.equal(await emailOf(ada), `second-${ada.email}`)
  })

  t.test('is void when the password changes, which is announced', async (t) => {
    const ada = await register()
    await ask(ada, `new-${ada.email}`)
    const token = tokenOf(await mailbox.next(`new-${ada.email}`, CONFIRM))
    await as(ada)('changePassword', { body: { currentPassword: PASSWORD, newPassword: 'tr0ub4dor and three more' }, expect: 204 })
    t.match(await as()('verifyEmail', { body: { token } }), BAD_TOKEN)
    const told = await mailbox.next(ada.email, 'Your password was changed')
    t.match(textOf(told), 'If it was not you, reset your password at once')
    t.equal(await emailOf(ada), ada.email)
  })

  t.test('422 to the same address, and to a wrong password', async (t) => {
    const ada = await register()
    const same = await ask(ada, ada.email.toUpperCase())
    t.match(same, { status: 422, body: { errors: [{ in: 'body', path: '/email', code: 'unchanged' }] } })
    const body = { currentPassword: 'not their password', email: `new-${ada.email}` }
    t.match(await as(ada)('changeEmail', { body }), { status: 422, body: { errors: [{ path: '/currentPassword' }] } })
    await jobsDone(context)
    t.same(mailbox.subjectsTo(`new-${ada.email}`), [])
  })

  t.test('403 to an API token', async (t) => {
    const ada = await register()
    const newToken = { name: 'Sync', scopes: ['account:write' as const], currentPassword: PASSWORD }
    const { token } = (await as(ada)('createApiToken', { body: newToken, expect: 201 })).body
    const body = { currentPassword: PASSWORD, email: `new-${ada.email}` }
    t.match(await as({ accessToken: token })('changeEmail', { body }), { status: 403, body: { code: 'FORBIDDEN' } })
  })

  t.test('mails nobody twice a minute, and 409 after five an hour, so that it is no way to fill mailboxes', async (t) => {
    const ada = await register()
    const mailsTo = (address: string) => mailbox.subjectsTo(address).length
    await Promise.all([1, 2, 3].map(() => ask(ada, `new-${ada.email}`)))
    await jobsDone(context)
    t.equal(mailsTo(`new-${ada.email}`), 1)
    for (const name of ['a', 'b', 'c', 'd']) t.equal((await ask(ada, `${name}-${ada.email}`)).status, 202)
    await jobsDone(context)
    t.equal(mailsTo(`d-${ada.email}`), 1)
    await as(ada)('changePassword', { body: { currentPassword: PASSWORD, newPassword: PASSWORD }, expect: 204 })
    t.match(await ask(ada, `e-${ada.email}`), { status: 409, body: { code: 'CONFLICT' } })
    await jobsDone(context)
    t.equal(mailsTo(`e-${ada.email}`), 0)
    await sql`update mail_tokens set created_at = created_at - interval '1 hour' where user_id = ${ada.id}`.execute(db)
    t.equal((await ask(ada, `e-${ada.email}`)).status, 202)
  })

  t.test('comes to nothing when the user is disabled or deleted before the click', async (t) => {
    const [eve, fred] = [await register(), await register()]
    const ofEve = await mailTokenOf(context, { ...eve, email: `new-${eve.email}` }, 'change_email')
    const ofFred = await mailTokenOf(context, { ...fred, email: `new-${fred.email}` }, 'change_email')
    await db.updateTable('users').set({ disabled_at: new Date().toISOString() }).where('id', '=', eve.id).execute()
    await as(fred)('deleteMe', { body: { currentPassword: PASSWORD }, expect: 204 })
    for (const token of [ofEve, ofFred]) t.match(await as()('verifyEmail', { body: { token } }), BAD_TOKEN)
    const { email } = await db.selectFrom('users').select('email').where('id', '=', eve.id).executeTakeFirstOrThrow()
    t.equal(email, eve.email)
  })
})

t.test('races over two instances', async (t) => {
  const database = await createDatabase(t)
  const a = await startApp(t, {}, database)
  const b = EMBEDDED ? a : await startApp(t, {}, database)

  t.test('two who confirm one address at once: one gets it', async (t) => {
    for (let round = 0; round < 5; round++) {
      const [ada, bob] = [await a.register(), await a.register()]
      const email = `new-${ada.email}`
      const tokens = await Promise.all([ada, bob].map(({ id }) => mailTokenOf(a.context, { id, email }, 'change_email')))
      const answers = await Promise.all(tokens.map((token, index) => (index ? a : b).as()('verifyEmail', { body: { token } })))
      t.same(answers.map(({ status }) => status).toSorted(), [204, 409])
    }
  })

  t.test('a change of the password at once: no change of address that the old password asked for survives it', async (t) => {
    for (let round = 0; round < 5; round++) {
      const ada = await a.register()
      await Promise.all([
        a.as(ada)('changeEmail', { body: { currentPassword: PASSWORD, email: `new-${ada.email}` } }),
        b.as(ada)('changePassword', { body: { currentPassword: PASSWORD, newPassword: 'tr0ub4dor and three more' }, expect: 204 }),
      ])
      const { rows } = await sql`select from mail_tokens where user_id = ${ada.id} and purpose = 'change_email' and expires_at > now()`.execute(
        a.context.db,
      )
      t.equal(rows.length, 0)
    }
  })
})
