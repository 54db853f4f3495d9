import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { PASSWORD, type Person, startApp } from '../support/app.ts'
import { type Attack, expectNoDefects, expectVerdicts, requestOf } from './attacks.ts'

/** What an admin, or a thief of their token, might try to do beyond what admins may do. */
t.test('admin', async (t) => {
  const { url, as, context, register, registerAdmin, logged } = await startApp(t)
  const { db } = context
  const [root, ada, eve] = [await registerAdmin(), await register(), await register()]
  const rowOf = (person: Person) => db.selectFrom('users').selectAll().where('id', '=', person.id).executeTakeFirst()
  const ask = (line: string, body?: unknown, by: Person = root) =>
    requestOf(line, [`Authorization: Bearer ${by.accessToken}`], typeof body === 'string' || body === undefined ? body : JSON.stringify(body))
  const patch = (body: unknown, id = ada.id) => ask(`PATCH /api/v1/admin/users/${id}`, body)
  const before = await rowOf(ada)

  const assigned = {
    email: 'other@example.com',
    username: 'other',
    id: eve.id,
    password: 'tr0ub4dor and three more',
    passwordHash: 'x',
    password_hash: 'x',
    emailVerified: true,
    emailVerifiedAt: '2026-01-31T09:30:00Z',
    timeZone: 'UTC',
    scopes: ['admin'],
    createdAt: '2026-01-31T09:30:00Z',
    updatedAt: '2026-01-31T09:30:00Z',
    disabledAt: null,
    disabled_at: null,
    roles: ['admin'],
    isAdmin: true,
    currentPassword: PASSWORD,
    constructor: { prototype: { role: 'admin' } },
  }
  t.test('updateUser: what it takes, and nothing else', async (t) => {
    expectVerdicts(t, url, [
      ...Object.entries(assigned).map(
        ([name, value]): Attack => [`mass assignment of ${name}`, patch({ disabled: false, [name]: value }), `422 body/${name} additionalProperties`],
      ),
      ['mass assignment through the prototype', patch('{"disabled":false,"__proto__":{"role":"admin"}}'), '422 body/__proto__ additionalProperties'],
      ...['Admin', 'ADMIN', 'admin ', 'root', 'superuser', 'owner', '', 'user,admin', '*'].map(
        (role): Attack => [`the role ${JSON.stringify(role)}`, patch({ role }), '422 body/role enum'],
      ),
      ...[null, 1, true, ['admin'], { $in: ['admin'] }].map(
        (role): Attack => [`the role ${JSON.stringify(role)}`, patch({ role }), '422 body/role type'],
      ),
      ...[null, 0, 1, 'true', 'false', '', [], {}].map(
        (disabled): Attack => [`disabled: ${JSON.stringify(disabled)}`, patch({ disabled }), '422 body/disabled type'],
      ),
      ['both null', patch({ role: null, disabled: null }), '422 body/role type'],
      ['nothing', patch({}), '422 body minProperties'],
      ['a list', patch([]), '422 body type'],
      ['null', patch('null'), '422 body type'],
      ['two roles', patch('{"role":"user","role":"admin"}'), '400 MALFORMED_REQUEST'],
      ['a JSON patch', patch([{ op: 'replace', path: '/role', value: 'admin' }]), '422 body type'],
      ['an id of nobody', patch({ role: 'admin' }, randomUUID()), '404 NOT_FOUND'],
      ['an id of nobody, to be disabled', patch({ disabled: true }, randomUUID()), '404 NOT_FOUND'],
      ['a username for an id', patch({ role: 'admin' }, ada.username), '422 path/userId minLength'],
      ['me for an id', patch({ role: 'admin' }, 'me'), '422 path/userId minLength'],
      [
        'another user in the query',
        ask(`PATCH /api/v1/admin/users/${ada.id}?userId=${eve.id}`, { role: 'user' }),
        '422 query/userId additionalProperties',
      ],
      ['getUser: nobody', ask(`GET /api/v1/admin/users/${randomUUID()}`), '404 NOT_FOUND'],
      ['deleteUser: nobody', ask(`DELETE /api/v1/admin/users/${randomUUID()}`), '404 NOT_FOUND'],
      ['deleteUser: all', ask('DELETE /api/v1/admin/users'), '405 METHOD_NOT_ALLOWED'],
      ['a user, by a user', ask(`PATCH /api/v1/admin/users/${eve.id}`, { role: 'admin' }, ada), '403 FORBIDDEN'],
      ['oneself, by a user', ask(`PATCH /api/v1/admin/users/${ada.id}`, { role: 'admin' }, ada), '403 FORBIDDEN'],
      ['oneself by the profile', ask('PATCH /api/v1/users/me', { role: 'admin' }, ada), '422 body/role additionalProperties'],
      ['what they are already', patch({ role: 'user', disabled: false }), '200'],
    ])
  })
  t.test('none of it has changed the user, or is told of in the audit log', async (t) => {
    t.strictSame(await rowOf(ada), before)
    t.same(await db.selectFrom('audit_events').select('action').where('actor_id', '=', root.id).where('user_id', '=', ada.id).execute(), [])
  })

  t.test('the last admin', async (t) => {
    const lastAdmin = (what: string, t: Test) =>
      t.test(`stays: ${what}`, async (t) => {
        const params = { userId: root.id }
        const { body: made } = await as(root)('createApiToken', { body: { name: 'x', scopes: ['admin'], currentPassword: PASSWORD }, expect: 201 })
        for (const by of [root, { accessToken: made.token }]) {
          t.match(await as(by)('updateUser', { params, body: { role: 'user' } }), { status: 409, body: { code: 'CONFLICT' } })
          await as(by)('updateUser', { params, body: { disabled: true }, expect: 409 })
          await as(by)('updateUser', { params, body: { role: 'user', disabled: true }, expect: 409 })
          await as(by)('updateUser', { params, body: { role: 'admin', disabled: true }, expect: 409 })
          await as(by)('updateUser', { params, body: { role: 'user', disabled: false }, expect: 409 })
          await as(by)('deleteUser', { params, expect: 409 })
        }
        await as(root)('deleteMe', { body: { currentPassword: PASSWORD }, expect: 409 })
        await as(root)('listUsers', { expect: 200 })
      })
    lastAdmin('alone', t)
    t.test('with others who are none any more', async (t) => {
      const [second, third] = [await registerAdmin(), await registerAdmin()]
      await as(root)('updateUser', { params: { userId: second.id }, body: { disabled: true }, expect: 200 })
      await as(root)('updateUser', { params: { userId: third.id }, body: { role: 'user' }, expect: 200 })
      lastAdmin('beside an admin who is disabled and one who is demoted', t)
    })
    t.test('who is not the last any more may go, and what they had is over at once', async (t) => {
      const [second, third] = [await registerAdmin(), await registerAdmin()]
      const { body: made } = await as(second)('createApiToken', { body: { name: 'x', scopes: ['admin'], currentPassword: PASSWORD }, expect: 201 })
      await as(second)('updateUser', { params: { userId: second.id }, body: { role: 'user' }, expect: 200 })
      t.match(await as(second)('updateUser', { params: { userId: second.id }, body: { role: 'admin' } }), {
        status: 403,
        body: { code: 'FORBIDDEN' },
      })
      t.match(await as({ accessToken: made.token })('listUsers'), { status: 403, body: { code: 'FORBIDDEN' } })
      await as(third)('updateUser', { params: { userId: third.id }, body: { disabled: true }, expect: 200 })
      await as(third)('updateUser', { params: { userId: third.id }, body: { disabled: false }, expect: 401 })
    })
  })

  const { body: events } = await as(root)('listAuditEvents', { query: { limit: 1 }, expect: 200 })
  const { body: users } = await as(root)('listUsers', { query: { limit: 1 }, expect: 200 })
  await as(ada)('createList', { body: { title: 'x' }, expect: 201 })
  const { body: lists } = await as(ada)('listLists', { query: { limit: 1 }, expect: 200 })
  const audit = (query: string, verdict: string, also?: Attack[3]): Attack => [query, ask(`GET /api/v1/admin/audit-events?${query}`), verdict, also]
  const none: Attack[3] = (t, { body }) => t.same(JSON.parse(body), { items: [], nextCursor: null })
  const some: Attack[3] = (t, { body }) => t.not(JSON.parse(body).items.length, 0)
  const encoded = encodeURIComponent
  const badInstants = [
    '',
    'now',
    'today',
    'infinity',
    '-infinity',
    'epoch',
    'null',
    '0',
    '1767225600',
    '2026-01-31',
    '2026-01-31T09:30:00',
    '2026-01-31 09:30:00Z',
    '2026-01-31T09:30Z',
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-31T24:00:00Z',
    '2026-06-30T23:59:60Z',
    '2016-12-31T23:59:60Z',
    '0000-01-01T00:00:00Z',
    '0001-01-01T00:00:00+00:01',
    '9999-12-31T23:59:59-00:01',
    '10000-01-01T00:00:00Z',
    '+012026-01-31T09:30:00Z',
    '-0001-01-01T00:00:00Z',
    '2026-01-31T09:30:00+25:00',
    '2026-01-31T09:30:00 UTC',
    '2026-01-31T09:30:00[Europe/Berlin]',
    "2026-01-31T09:30:00Z' or '1'='1",
    "now() - interval '1 day'",
    '2026-01-31T09:30:00Z\n',
    '\u0662\u0660\u0662\u0666-01-31T09:30:00Z',
  ]
  t.test('listAuditEvents: filters', async (t) => {
    expectVerdicts(t, url, [
      ...['from', 'to'].flatMap((name) => [
        ...badInstants.map((text) => audit(`${name}=${encoded(text)}`, `422 query/${name} format`)),
        audit(`${name}=${'0'.repeat(65)}`, `422 query/${name} maxLength`),
        audit(`${name}=2026-01-31T09:30:00Z%00`, `422 query/${name} characters`),
        audit(`${name}=2026-01-31T09:30:00Z&${name}=2026-01-31T09:30:00Z`, `422 query/${name} type`),
        audit(`${name}[$gt]=2026-01-31T09:30:00Z`, `422 query/${name}[$gt] additionalProperties`),
      ]),
      audit('from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z', '200', some),
      audit('from=9999-12-31T23:59:59.999999999Z', '200', none),
      audit('to=0001-01-01T00:00:00Z', '200', none),
      audit('from=2026-01-31T09:30:00-23:59', '200', some),
      audit('from=9999-01-01T00:00:00Z&to=0001-01-01T00:00:00Z', '200', none),
      audit('from=2026-01-31T09:30:00Z&to=2026-01-31T09:30:00Z', '200', none),
      ...[
        '%',
        '_',
        '*',
        'login',
        'login.',
        '.succeeded',
        'LOGIN.SUCCEEDED',
        'login.succeeded ',
        'login.succeeded\n',
        'login.%',
        'login.succeeded.x',
        "login.succeeded' or '1'='1",
        'user.read;drop table audit_events',
        'login succeeded',
      ].map((action) => audit(`action=${encoded(action)}`, '422 query/action pattern')),
      audit('action=', '422 query/action pattern'),
      audit(`action=${'a'.repeat(32)}.${'b'.repeat(32)}`, '422 query/action maxLength'),
      audit('action=login.succeeded%00', '422 query/action characters'),
      audit('action=login.succeeded&action=user.read', '422 query/action type'),
      audit('action=login.succeede_', '200', none),
      audit('action=nothing.happened', '200', none),
      audit('action=user.registered', '200', some),
      audit('userId=me', '422 query/userId minLength'),
      audit('userId=', '422 query/userId minLength'),
      audit(`userId=${'x'.repeat(36)}`, '422 query/userId format'),
      audit(`userId=${root.id}&userId=${ada.id}`, '422 query/userId type'),
      audit(`userId=%7B${root.id}%7D`, '422 query/userId maxLength'),
      audit(`userId=${randomUUID()}`, '200', none),
      audit(`userId=${ada.id.toUpperCase()}`, '200', some),
      ...['actorId', 'operation', 'sessionId', 'sort', 'offset', 'q', 'address'].map((name) =>
        audit(`${name}=x`, `422 query/${name} additionalProperties`),
      ),
      audit('limit=0', '422 query/limit minimum'),
      audit('limit=101', '422 query/limit maximum'),
      audit(`cursor=${users.nextCursor}`, '422 query/cursor cursor'),
      audit(`cursor=${lists.nextCursor}`, '422 query/cursor cursor'),
      audit(`cursor=${events.nextCursor}x`, '422 query/cursor cursor'),
      ['the cursor of events among the users', ask(`GET /api/v1/admin/users?cursor=${events.nextCursor}`), '422 query/cursor cursor'],
      ['the cursor of events, to a user', ask(`GET /api/v1/admin/audit-events?cursor=${events.nextCursor}`, undefined, ada), '403 FORBIDDEN'],
      audit(`cursor=${events.nextCursor}`, '200', some),
    ])
  })

  t.test('audit events can be neither written, changed nor deleted', async (t) => {
    const one = `/api/v1/admin/audit-events/${events.items[0]?.id}`
    expectVerdicts(t, url, [
      ...['POST', 'PUT', 'PATCH', 'DELETE'].map(
        (method): Attack => [
          `${method} of all`,
          ask(`${method} /api/v1/admin/audit-events`, method === 'DELETE' ? undefined : {}),
          '405 METHOD_NOT_ALLOWED',
        ],
      ),
      ...['GET', 'PUT', 'PATCH', 'DELETE'].map((method): Attack => [`${method} of one`, ask(`${method} ${one}`), '404 NOT_FOUND']),
    ])
  })

  expectNoDefects(t, logged)
})
