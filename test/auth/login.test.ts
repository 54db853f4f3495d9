import { createHook } from 'node:async_hooks'
import t from 'tap'
import { EMBEDDED, PASSWORD, startApp } from '../support/app.ts'
import { send } from '../support/client.ts'

t.test('login', async (t) => {
  const { as, context, register, url } = await startApp(t)
  const ada = await register('Ada.Lovelace')
  const logIn = (username: string, password: string, headers: Record<string, string> = {}) => as()('login', { body: { username, password }, headers })

  t.test('200: by username and by e-mail address, in any case and with spaces around', async (t) => {
    for (const username of [
      'Ada.Lovelace',
      'ada.lovelace',
      'ADA.LOVELACE',
      ' Ada.Lovelace\t',
      'Ada.Lovelace@example.com',
      'ada.lovelace@example.com',
      'ADA.LOVELACE@EXAMPLE.COM',
      '\nada.lovelace@example.com ',
    ]) {
      const { status, body, headers } = await logIn(username, PASSWORD)
      t.match(
        { status, body },
        { status: 200, body: { user: { id: ada.id, username: 'Ada.Lovelace' }, tokenType: 'Bearer', expiresIn: 900 } },
        username,
      )
      t.equal(headers.get('cache-control'), 'no-store')
    }
  })

  t.test('200: every time another session, and all of them live', async (t) => {
    const logins = await Promise.all(
      Array.from({ length: 5 }, async () => (await as()('login', { body: { username: ada.username, password: PASSWORD }, expect: 200 })).body),
    )
    t.equal(new Set(logins.map(({ accessToken }) => accessToken)).size, 5)
    t.equal(new Set(logins.map(({ refreshToken }) => refreshToken)).size, 5)
    for (const login of logins) t.equal((await as(login)('getMe')).status, 200)
  })

  t.test('401 to a wrong password, the same bytes as to an unknown user and to a disabled one', async (t) => {
    const disabled = await register()
    await context.db.updateTable('users').set({ disabled_at: new Date().toISOString() }).where('id', '=', disabled.id).execute()
    const requestId = 'one-and-the-same'
    const answers = await Promise.all(
      [
        [ada.username, 'wrong password'],
        [ada.email, 'wrong password'],
        ['nobody', PASSWORD],
        ['nobody@example.com', PASSWORD],
        ["' or 1=1 --", PASSWORD],
        ['ada%', PASSWORD],
        [disabled.username, PASSWORD],
        [disabled.email, PASSWORD],
        [disabled.username, 'wrong password'],
      ].map(async ([username, password]) => {
        const { status, headers, text } = await as()('login', {
          body: { username: String(username), password: String(password) },
          headers: { 'X-Request-Id': requestId },
          expect: 401,
        })
        return { status, text, headers: Object.fromEntries([...headers].filter(([name]) => name !== 'date')) }
      }),
    )
    const [first, ...others] = answers
    t.match(JSON.parse(first?.text ?? ''), { code: 'INVALID_CREDENTIALS', detail: 'The username or the password is wrong.', requestId })
    t.equal(first?.headers['www-authenticate'], 'Bearer realm="docket"')
    for (const other of others) t.same(other, first)
  })

  t.test('401: costs as many hashes for an unknown user as for a wrong password', async (t) => {
    let hashes = 0
    const init = (_: number, type: string) => {
      if (type === 'argon2:HashWorker') hashes += 1
    }
    const hook = createHook({ init }).enable()
    t.teardown(() => hook.disable())
    for (const [username, password, status] of [
      [ada.username, PASSWORD, 200],
      [ada.username, 'wrong password', 401],
      ['nobody', 'wrong password', 401],
      ['nobody@example.com', 'wrong password', 401],
    ] as const) {
      hashes = 0
      t.equal((await logIn(username, password)).status, status)
      t.equal(hashes, 1, username)
    }
  })

  t.test(
    '503: while the account is being changed for long, before what else waits for it gives up',
    { skip: EMBEDDED && 'one connection' },
    async (t) => {
      const { db, patientDb } = context
      const { count } = db.fn
      const kept = async () => [
        await db.selectFrom('sessions').select(count('id').as('all')).executeTakeFirst(),
        await db.selectFrom('audit_events').select(count('id').as('all')).executeTakeFirst(),
      ]
      const before = await kept()
      await patientDb.transaction().execute(async (trx) => {
        await trx.updateTable('users').set({ time_zone: 'Europe/Berlin' }).where('id', '=', ada.id).execute()
        const waiting = t.rejects(db.selectFrom('users').select('id').where('id', '=', ada.id).forShare().execute(), { code: '55P03' })
        t.match(await Promise.race([waiting, logIn(ada.username, PASSWORD)]), { status: 503, body: { code: 'UNAVAILABLE' } })
        await waiting
      })
      t.same(await kept(), before)
      t.equal((await logIn(ada.username, PASSWORD)).status, 200)
    },
  )

  t.test('422: a body that breaks the schema', async (t) => {
    for (const body of [
      {},
      { username: ada.username },
      { password: PASSWORD },
      { username: '', password: PASSWORD },
      { username: '   ', password: PASSWORD },
      { username: 'u'.repeat(255), password: PASSWORD },
      { username: 'ada\u0000', password: PASSWORD },
      { username: ['ada'], password: PASSWORD },
      { username: { $ne: null }, password: { $ne: null } },
      { username: ada.username, password: PASSWORD, scope: 'admin' },
    ]) {
      t.equal((await as()('login', { body: body as never })).status, 422, JSON.stringify(body))
    }
  })

  t.test('400 to what is no JSON, 415 to a form', async (t) => {
    t.equal((await send(url, 'login', undefined, { raw: '{"username":' })).status, 400)
    const form = await send(url, 'login', undefined, {
      raw: `username=${ada.username}&password=x`,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    })
    t.equal(form.status, 415)
  })

  t.test('200: with whatever client sends it', async (t) => {
    for (const agent of ['u'.repeat(1000), '\u00fc\u00ff', '']) {
      t.equal((await logIn(ada.username, PASSWORD, { 'User-Agent': agent })).status, 200, agent.slice(0, 10))
    }
  })

  t.test('200: behind a proxy that names no proper address', async (t) => {
    const behind = await startApp(t, { TRUSTED_PROXIES: '127.0.0.1' })
    const { username } = await behind.register()
    for (const address of ['unknown', '[2001:0db8:0000:0000:0000:0000:0000:0001]:65535', 'x'.repeat(200), '192.0.2.1, 192.0.2.2', '']) {
      const { status } = await behind.as()('login', { body: { username, password: PASSWORD }, headers: { 'X-Forwarded-For': address } })
      t.equal(status, 200, address.slice(0, 60))
    }
  })
})
