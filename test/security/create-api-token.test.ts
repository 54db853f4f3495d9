import t from 'tap'
import { narrowed } from '../contract/walk.ts'
import { PASSWORD, startApp } from '../support/app.ts'
import { type Attack, expectNoDefects, expectVerdicts, requestOf } from './attacks.ts'

const USER_SCOPES = ['account:read', 'account:write', 'tasks:read', 'tasks:write', 'webhooks:write'] as const

/** Who may get a token, and what nobody can make of it. */
t.test('createApiToken', async (t) => {
  // Every row is looked at: that guessing is slowed down is tried in test/auth/login-throttle.test.ts.
  const { url, as, context, register, logged } = await startApp(t, { LOGIN_FREE_FAILURES: '1000000' })
  const [ada, eve] = [await register(), await register()]
  const { token } = (await as(ada)('createApiToken', { body: { name: 'x', scopes: [...USER_SCOPES], currentPassword: PASSWORD }, expect: 201 })).body

  const narrow = await narrowed(as, ada, ['account:write'])
  const make = (body: string | Record<string, unknown>, accessToken = ada.accessToken) => {
    const whole = typeof body === 'string' ? body : JSON.stringify({ name: 'x', scopes: ['tasks:read'], currentPassword: PASSWORD, ...body })
    return requestOf('POST /api/v1/api-tokens', [`Authorization: Bearer ${accessToken}`], whole)
  }
  const days = (text: string) => `{"name":"x","scopes":["tasks:read"],"currentPassword":${JSON.stringify(PASSWORD)},"expiresInDays":${text}}`
  const daysLater =
    (expected: number): Attack[3] =>
    (t, { body }) => {
      const { createdAt, expiresAt } = JSON.parse(body)
      t.equal(Date.parse(expiresAt) - Date.parse(createdAt), expected * 86_400_000)
    }
  const scopes: readonly Attack[] = [
    ['the scope of admins, by a user', make({ scopes: ['admin'] }), '403 FORBIDDEN'],
    ['the scope of admins among others, by a user', make({ scopes: ['tasks:read', 'admin'] }), '403 FORBIDDEN'],
    ['a scope that the session lacks', make({ scopes: ['tasks:read'] }, narrow), '403 FORBIDDEN'],
    ['a scope that the session lacks beside one that it has', make({ scopes: ['account:write', 'account:read'] }, narrow), '403 FORBIDDEN'],
    ['the scope that the session has', make({ scopes: ['account:write'] }, narrow), '201'],
    ['by an API token', make({ scopes: ['tasks:read'] }, token), '403 FORBIDDEN'],
    ['all scopes in one text', make({ scopes: ['account:read account:write'] }), '422 body/scopes/0 enum'],
    ['a scope in another case', make({ scopes: ['ADMIN'] }), '422 body/scopes/0 enum'],
    ['a scope with a space', make({ scopes: ['admin '] }), '422 body/scopes/0 enum'],
    ['every scope', make({ scopes: ['*'] }), '422 body/scopes/0 enum'],
    ['an unknown scope', make({ scopes: ['tasks:read', 'tasks:delete'] }), '422 body/scopes/1 enum'],
    ['no scope', make({ scopes: [] }), '422 body/scopes minItems'],
    ['one scope twice', make({ scopes: ['tasks:read', 'tasks:read'] }), '422 body/scopes uniqueItems'],
    ['6 scopes', make({ scopes: [...USER_SCOPES, 'admin', 'tasks:read'] }), '422 body/scopes maxItems'],
    ['a text for scopes', make({ scopes: 'tasks:read' }), '422 body/scopes type'],
    ['an object for scopes', make({ scopes: { 0: 'tasks:read', length: 1 } }), '422 body/scopes type'],
    ['null for scopes', make({ scopes: null }), '422 body/scopes type'],
    ['a list in the list', make({ scopes: [['admin']] }), '422 body/scopes/0 type'],
    ['scopes left out', make('{"name":"x","currentPassword":"x"}'), '422 body/scopes required'],
    ['scope for scopes', make({ scope: 'admin' }), '422 body/scope additionalProperties'],
  ]
  const expiry: readonly Attack[] = [
    ['0 days', make(days('0')), '422 body/expiresInDays minimum'],
    ['-1 days', make(days('-1')), '422 body/expiresInDays minimum'],
    ['367 days', make(days('367')), '422 body/expiresInDays maximum'],
    ['1e15 days', make(days('1e15')), '422 body/expiresInDays maximum'],
    ['1.5 days', make(days('1.5')), '422 body/expiresInDays type'],
    ['1e400 days', make(days('1e400')), '422 body/expiresInDays type'],
    ['"90" days', make(days('"90"')), '422 body/expiresInDays type'],
    ['null days', make(days('null')), '422 body/expiresInDays type'],
    ['true days', make(days('true')), '422 body/expiresInDays type'],
    ['a list of days', make(days('[90]')), '422 body/expiresInDays type'],
    ['-0 days', make(days('-0')), '422 body/expiresInDays minimum'],
    ['1 day', make(days('1')), '201', daysLater(1)],
    ['1e2 days', make(days('1e2')), '201', daysLater(100)],
    ['366 days', make(days('366')), '201', daysLater(366)],
    ['366.0 days', make(days('366.0')), '201', daysLater(366)],
    ['nothing said of days', make({}), '201', daysLater(90)],
  ]
  const named =
    (expected: string): Attack[3] =>
    (t, { body }) =>
      t.equal(JSON.parse(body).name, expected)
  const names: readonly Attack[] = [
    ['100 code points', make({ name: '\u{1f512}'.repeat(100) }), '201', named('\u{1f512}'.repeat(100))],
    ['101 code points', make({ name: '\u{1f512}'.repeat(101) }), '422 body/name maxLength'],
    ['101 characters of which one is trimmed', make({ name: ` ${'x'.repeat(100)}` }), '201', named('x'.repeat(100))],
    ['no name', make({ name: '' }), '422 body/name minLength'],
    ['a blank name', make({ name: ' \t\u00a0\u3000' }), '422 body/name minLength'],
    ['NUL', make({ name: 'a\0b' }), '422 body/name characters'],
    ['half of a pair', make({ name: '\ud83d' }), '422 body/name characters'],
    ['null', make({ name: null }), '422 body/name type'],
    ['a number', make({ name: 1 }), '422 body/name type'],
    ['markup', make({ name: '<script>alert(1)</script>' }), '201', named('<script>alert(1)</script>')],
    ['SQL', make({ name: "'); drop table api_tokens; --" }), '201', named("'); drop table api_tokens; --")],
  ]
  const wrong = '422 body/currentPassword password'
  const passwords: readonly Attack[] = [
    ['another', make({ currentPassword: 'not my password' }), wrong],
    ['with a space behind it', make({ currentPassword: `${PASSWORD} ` }), wrong],
    ['in another case', make({ currentPassword: PASSWORD.toUpperCase() }), wrong],
    ['cut short', make({ currentPassword: PASSWORD.slice(0, -1) }), wrong],
    ['one character', make({ currentPassword: 'x' }), wrong],
    ['256 characters', make({ currentPassword: 'x'.repeat(256) }), wrong],
    ['257 characters', make({ currentPassword: 'x'.repeat(257) }), '422 body/currentPassword maxLength'],
    ['none', make({ currentPassword: '' }), '422 body/currentPassword minLength'],
    ['null', make({ currentPassword: null }), '422 body/currentPassword type'],
    ['a list', make({ currentPassword: [PASSWORD] }), '422 body/currentPassword type'],
    ['an object', make({ currentPassword: { $ne: '' } }), '422 body/currentPassword type'],
    ['left out', make('{"name":"x","scopes":["tasks:read"]}'), '422 body/currentPassword required'],
    ['for a scope that the session lacks', make({ scopes: ['admin'], currentPassword: 'not my password' }), '403 FORBIDDEN'],
  ]
  const fields = ['id', 'userId', 'user_id', 'ownerId', 'token', 'secret', 'secretHash', 'createdAt', 'expiresAt', 'lastUsedAt', 'role', '__proto__']
  const assigned: readonly Attack[] = fields.map((field) => [
    field,
    make(`{"name":"x","scopes":["tasks:read"],"currentPassword":${JSON.stringify(PASSWORD)},"${field}":"${eve.id}"}`),
    `422 body/${field} additionalProperties`,
  ])
  for (const [what, rows] of Object.entries({ scopes, expiry, names, 'the current password': passwords, 'mass assignment': assigned })) {
    t.test(what, async (t) => expectVerdicts(t, url, rows))
  }

  t.test('none of this has given anybody a scope that they may not have', async (t) => {
    const rows = await context.db.selectFrom('api_tokens').select('scopes').execute()
    t.ok(rows.length > 1)
    for (const { scopes } of rows) t.notOk(scopes.includes('admin'))
  })

  expectNoDefects(t, logged)
})
