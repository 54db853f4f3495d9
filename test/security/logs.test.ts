import { randomBytes } from 'node:crypto'
import t from 'tap'
import { operations } from '../../generated/operations.ts'
import { acceptable, createIds, everyHandler, isForm, OPERATIONS, serve, WITH_BODY } from '../contract/walk.ts'
import { exchange, type RawAnswer } from '../http/raw.ts'
import { PASSWORD, startApp } from '../support/app.ts'
import { urlOf } from '../support/client.ts'
import { requestOf } from './attacks.ts'

/** Secrets that are sent in every place that a request has, to every operation, and then looked for in every line that was logged. */
t.test('logs', async (t) => {
  const { url, as, context, register, registerAdmin, logged } = await startApp(t)
  const [ada, root] = [await register(), await registerAdmin()]
  const params = await createIds(as(root))
  const secrets = new Map<string, string>()
  /** A secret that is easily found, and says where it has been sent. */
  const marker = (where: string) => {
    const secret = `marker-${randomBytes(8).toString('hex')}`
    secrets.set(secret, where)
    return secret
  }

  const refusals: RawAnswer[] = []
  let thrown = ''
  const broken = await serve(t, context, (handlers) =>
    everyHandler(handlers, async () => {
      thrown = marker('the detail of an error of the database')
      throw Object.assign(new Error('duplicate key'), {
        code: '23505',
        detail: `Key (email)=(${thrown})`,
        parameters: [thrown],
        query: thrown,
        hint: thrown,
        where: thrown,
      })
    }),
  )

  for (const id of OPERATIONS) {
    const { method } = operations[id]
    const { pathname } = new URL(urlOf(url, id, { params }))
    const { body } = acceptable(id, params)
    const type = isForm(id) ? 'application/x-www-form-urlencoded' : 'application/json'
    const text = body === undefined ? undefined : isForm(id) ? new URLSearchParams(body as Record<string, string>).toString() : JSON.stringify(body)
    const typed = text === undefined ? [] : [`Content-Type: ${type}`]
    const bearer = `Authorization: Bearer ${root.accessToken}`
    const tries = [
      requestOf(`${method} ${pathname}`, [`Authorization: Bearer ${marker(`${id}: a token`)}`, ...typed], text),
      requestOf(`${method} ${pathname}`, [`Authorization: Basic ${marker(`${id}: a password of Basic`)}`, ...typed], text),
      requestOf(`${method} ${pathname}?access_token=${marker(`${id}: a token in the query`)}&q=${marker(`${id}: words`)}`, [bearer, ...typed], text),
      requestOf(`${method} ${pathname}?${marker(`${id}: the name of a parameter`)}=1`, [bearer, ...typed], text),
      requestOf(
        `${method} ${pathname}`,
        ['Cookie', 'X-Api-Key', 'Proxy-Authorization', 'User-Agent', 'Referer', 'X-Forwarded-For', 'If-Match', 'X-Request-Id'].map(
          (name) => `${name}: ${marker(`${id}: ${name}`)}${name === 'X-Request-Id' ? '/' : ''}`,
        ),
        text,
      ),
    ]
    if (WITH_BODY.includes(id)) {
      tries.push(
        requestOf(
          `${method} ${pathname}`,
          [bearer, `Content-Type: ${type}`],
          `{"${marker(`${id}: a name in the body`)}":"${marker(`${id}: a value in the body`)}"`,
        ),
        requestOf(`${method} ${pathname}`, [bearer, `Content-Type: ${type}`], `password=${marker(`${id}: a password in a form`)}&a=%zz`),
        requestOf(
          `${method} ${pathname}`,
          [bearer],
          JSON.stringify({ password: marker(`${id}: a password`), other: [marker(`${id}: deep inside`)] }),
        ),
        requestOf(`${method} ${pathname}`, [bearer, `Content-Type: ${marker(`${id}: a type`)}`], 'x'),
      )
    }
    for (const bytes of tries) refusals.push(await exchange(url, bytes))
    refusals.push(await exchange(broken, requestOf(`${method} ${pathname}`, [bearer, ...typed], text)))
  }

  const password = marker('the password of somebody who registers')
  const registered = { username: 'marked', email: 'marked@example.com', password }
  const { body: login } = await as()('register', { body: registered, expect: 201 })
  await as()('register', { body: registered, expect: 409 })
  await as()('login', { body: { username: 'marked', password: marker('a wrong password') }, expect: 401 })
  await as()('login', { body: { username: marker('a password in place of the name'), password }, expect: 401 })
  await as()('createToken', {
    body: { grant_type: 'password', username: 'marked', password, client_secret: marker('the secret of a client') },
    expect: 200,
  })
  const { body: refreshed } = await as()('createToken', { body: { grant_type: 'refresh_token', refresh_token: login.refreshToken }, expect: 200 })
  const { body: task } = await as(login)('createTask', {
    body: { title: marker('a title'), description: marker('a description'), categories: [marker('a category')] },
    expect: 201,
  })
  await as(login)('updateTask', { params: { taskId: task.id }, body: { title: marker('a new title') }, expect: 200 })
  await as(login)('listTasks', { query: { q: marker('words of a search'), category: [marker('a category of a search')] }, expect: 200 })
  await exchange(url, `GET /${'x'.repeat(10)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Bad : ${marker('what is no HTTP')}\r\n\r\n`)
  await exchange(url, `${marker('garbage')}\r\n\r\n`)
  await exchange(url, requestOf(`GET /api/v1/tasks/%zz${'?'}${marker('the query of a broken path')}`))
  await exchange(url, requestOf(`GET /nowhere?${marker('the query of a path that is none')}`))
  await exchange(url, requestOf(`GET http://${marker('a user of a URL')}:${marker('a password of a URL')}@localhost/nowhere`))

  const newPassword = marker('a new password')
  const { body: second } = await as()('refresh', { body: { refreshToken: refreshed.refresh_token }, expect: 200 })
  const newToken = { name: marker('the name of an API token'), scopes: ['tasks:read' as const], currentPassword: password }
  const { body: apiToken } = await as(second)('createApiToken', { body: newToken, expect: 201 })
  const program = { accessToken: apiToken.token }
  await as(program)('listTasks', { expect: 200 })
  await as(program)('listSessions', { expect: 403 })
  const wrongly = { accessToken: `dkt_${marker('what is no API token')}` }
  for (const answer of [
    await as(second)('createApiToken', { body: { ...newToken, currentPassword: marker('a wrong password for an API token') }, expect: 422 }),
    await as(second)('changePassword', { body: { currentPassword: marker('a wrong current password'), newPassword }, expect: 422 }),
    await as(second)('deleteMe', { body: { currentPassword: marker('a wrong password for a deletion') }, expect: 422 }),
    await as()('refresh', { body: { refreshToken: marker('what is no refresh token') }, expect: 401 }),
    await as()('refresh', { body: { refreshToken: apiToken.token }, expect: 401 }),
    await as(wrongly)('getMe', { expect: 401 }),
    await as(second)('getUser', { params: { userId: params.userId }, expect: 403 }),
  ])
    refusals.push({ ...answer, body: answer.text })
  await as(second)('changePassword', { body: { currentPassword: password, newPassword }, expect: 204 })
  await as(second)('revokeApiToken', { params: { tokenId: apiToken.id }, expect: 204 })
  await as(program)('listTasks', { expect: 401 })
  await as(root)('updateUser', { params: { userId: login.user.id }, body: { disabled: true }, expect: 200 })
  await as()('login', { body: { username: 'marked', password: newPassword }, expect: 401 })
  await as(second)('getMe', { expect: 401 })

  const { password_hash } = await context.db.selectFrom('users').select('password_hash').where('username', '=', 'marked').executeTakeFirstOrThrow()
  for (const [where, secret] of Object.entries({
    'the hash of the password': password_hash,
    'an access token': login.accessToken,
    'the signature of an access token': login.accessToken.split('.')[2] ?? '',
    'a refresh token': login.refreshToken,
    'a refresh token that came as JSON': second.refreshToken,
    'the access token beside it': second.accessToken,
    'an API token': apiToken.token,
    'its secret': apiToken.token.slice(47, 90),
    'what is left of an API token without its prefix': apiToken.token.slice(4),
    'its successor': refreshed.refresh_token,
    'the token of another': ada.accessToken,
    'the token of an admin': root.accessToken,
    'the password of the others': PASSWORD,
    'the secret of the settings': context.config.auth.secrets?.[0] ?? '',
    'the key of access tokens': context.keys.accessToken[0].bytes.toString('base64'),
    'the key of refresh tokens': context.keys.refreshToken[0].bytes.toString('base64'),
    'the address of somebody': 'marked@example.com',
  })) {
    secrets.set(secret, where)
  }

  // The line of a request may come a moment after its answer.
  for (const id of OPERATIONS) {
    t.test(`${id}: has its lines`, async (t) => {
      while (!logged.some(({ operation, status }) => operation === id && status === 500)) await new Promise((resolve) => setImmediate(resolve))
      t.ok(logged.some((line) => line['operation'] === id && line['status'] === 500))
    })
  }

  t.test('no line holds a secret, wherever it was sent', async (t) => {
    const text = logged.map((line) => JSON.stringify(line)).join('\n')
    t.same(
      [...secrets].filter(([secret]) => secret.length < 8).map(([, where]) => where),
      [],
    )
    t.same(
      [...secrets].filter(([secret]) => text.includes(secret)).map(([, where]) => where),
      [],
    )
    t.notMatch(text, /authorization|bearer |set-cookie/i)
  })

  t.test('no refusal holds a secret, unless it was sent as the name of something', async (t) => {
    const text = refusals
      .filter(({ status }) => status >= 400)
      .map(({ headers, body }) => `${[...headers].join()} ${body}`)
      .join('\n')
    t.ok(text.includes('VALIDATION_FAILED'))
    t.same(
      [...secrets]
        .filter(([secret, where]) => text.includes(secret) && !/the name of a parameter|a name in the body/.test(where))
        .map(([, where]) => where),
      [],
    )
  })

  t.test('no event of the audit log holds a secret: of what a client sends, it has the User-Agent alone', async (t) => {
    const events = await context.db.selectFrom('audit_events').selectAll().execute()
    const text = events.map((event) => JSON.stringify({ ...event, request_id: null })).join('\n')
    for (const action of ['api_token.created', 'password.changed', 'password.refused', 'access.denied', 'user.disabled'])
      t.ok(text.includes(`"${action}"`), action)
    t.same(
      [...secrets].filter(([secret, where]) => text.includes(secret) && !where.endsWith(': User-Agent')).map(([, where]) => where),
      [],
    )
  })

  t.test('nobody writes a line of their own: what is sent stays inside one field', async (t) => {
    const forged = ['%0a{"level":50,"msg":"forged"}', '%0d%0aforged', '%1b[31mforged', '"},{"level":50,"msg":"forged', '%22,%22msg%22:%22forged']
    for (const [index, text] of forged.entries()) {
      const { headers } = await exchange(url, requestOf(`GET /nowhere/${text}`, [`X-Request-Id: forged-line-${index}`]))
      const lines = logged.filter((line) => line['requestId'] === headers.get('x-request-id'))
      t.equal(lines.length, 1, text)
      t.match(lines[0], { level: 30, status: 404 })
      t.notMatch(lines[0]?.['path'], /\p{Cc}/u)
    }
  })
})
