import t from 'tap'
import { operations } from '../../generated/operations.ts'
import type { Answer, Call, Docket } from '../../sdk/src/index.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { operationOf, spec } from '../support/contract-check.ts'
import { json, recording } from './fetches.ts'
import { installSdk } from './installed.ts'

const listId = '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f0e'
const taskId = '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10'
const reminderId = '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f14'
const [sessionId, tokenId, userId] = [
  '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f11',
  '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f12',
  '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f13',
] as const
const login = { username: 'ada', password: 'correct horse battery staple' }

const [webhookId, deliveryId] = ['01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f14', '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f15'] as const
const ids = { listId, taskId, reminderId, sessionId, tokenId, userId, webhookId, deliveryId }

/** How each operation of the document is called. One that is missing here does not compile, and one that the SDK lacks cannot be written here. */
const CALLS: Record<OperationId, (docket: Docket) => Call<Answer<unknown>> | Promise<unknown>> = {
  register: ({ auth }) => auth.register({ ...login, email: 'ada@example.com' }),
  login: ({ auth }) => auth.login(login),
  createToken: ({ auth }) => auth.createToken({ grant_type: 'password', ...login }),
  refresh: ({ auth }) => auth.refresh({ refreshToken: 'old' }),
  logout: ({ auth }) => auth.logout(),
  requestPasswordReset: ({ auth }) => auth.requestPasswordReset({ email: 'ada@example.com' }),
  resetPassword: ({ auth }) => auth.resetPassword({ token: 'mailed', password: 'tr0ub4dor and three more' }),
  verifyEmail: ({ auth }) => auth.verifyEmail({ token: 'mailed' }),
  resendVerification: ({ auth }) => auth.resendVerification(),
  getMe: ({ users }) => users.getMe(),
  updateMe: ({ users }) => users.updateMe({ timeZone: 'Europe/Berlin' }),
  changePassword: ({ account }) => account.changePassword({ currentPassword: login.password, newPassword: 'tr0ub4dor and three more' }),
  changeEmail: ({ account }) => account.changeEmail({ currentPassword: login.password, email: 'ada@example.org' }),
  deleteMe: ({ account }) => account.deleteMe({ currentPassword: login.password }),
  listSessions: ({ sessions }) => sessions.list({ limit: 5 }),
  revokeSession: ({ sessions }) => sessions.revoke(sessionId),
  revokeOtherSessions: ({ sessions }) => sessions.revokeOthers(),
  listApiTokens: ({ apiTokens }) => apiTokens.list({ limit: 5 }),
  createApiToken: ({ apiTokens }) => apiTokens.create({ name: 'Calendar', scopes: ['tasks:read'], currentPassword: login.password }),
  revokeApiToken: ({ apiTokens }) => apiTokens.revoke(tokenId),
  listLists: ({ lists }) => lists.list({ limit: 5 }),
  createList: ({ lists }) => lists.create({ title: 'Groceries' }),
  getList: ({ lists }) => lists.get(listId),
  updateList: ({ lists }) => lists.update(listId, { title: 'Groceries' }, { ifMatch: '"1"' }),
  deleteList: ({ lists }) => lists.delete(listId, { ifMatch: '"1"' }),
  listListTasks: ({ tasks }) => tasks.listIn(listId, { priority: ['high', 'low'], category: ['a&b', 'c/d'], q: 'milk -oat', completed: false }),
  createListTask: ({ tasks }) => tasks.createIn(listId, { title: 'Buy milk' }),
  listTasks: ({ tasks }) => tasks.list({ dueBefore: '2026-02-01T00:00:00+01:00', hasDueDate: true, sort: '-dueAt', limit: 100 }),
  createTask: ({ tasks }) => tasks.create({ title: 'Buy milk', dueDate: null }),
  getTask: ({ tasks }) => tasks.get(taskId, { ifNoneMatch: '"1"' }),
  updateTask: ({ tasks }) => tasks.update(taskId, { completed: true }, { ifMatch: '"1"' }),
  deleteTask: ({ tasks }) => tasks.delete(taskId, { ifMatch: '"1"' }),
  listCategories: ({ tasks }) => tasks.listCategories({ limit: 5 }),
  listReminders: ({ reminders }) => reminders.list(taskId, { limit: 5 }),
  createReminder: ({ reminders }) => reminders.create(taskId, { minutesBefore: 30 }),
  getReminder: ({ reminders }) => reminders.get(reminderId, { ifNoneMatch: '"1"' }),
  deleteReminder: ({ reminders }) => reminders.delete(reminderId, { ifMatch: '"1"' }),
  listChanges: ({ changes }) => changes.list({ limit: 5 }),
  // What comes here is no stream.
  streamEvents: async ({ changes }) =>
    changes
      .stream()
      [Symbol.asyncIterator]()
      .next()
      .catch(() => undefined),
  listWebhooks: ({ webhooks }) => webhooks.list({ limit: 5 }),
  createWebhook: ({ webhooks }) => webhooks.create({ url: 'https://example.com/hooks/docket', events: ['task.created'] }),
  getWebhook: ({ webhooks }) => webhooks.get(webhookId, { ifNoneMatch: '"1"' }),
  updateWebhook: ({ webhooks }) => webhooks.update(webhookId, { enabled: true }, { ifMatch: '"1"' }),
  deleteWebhook: ({ webhooks }) => webhooks.delete(webhookId, { ifMatch: '"1"' }),
  rotateWebhookSecret: ({ webhooks }) => webhooks.rotateSecret(webhookId),
  testWebhook: ({ webhooks }) => webhooks.test(webhookId),
  listWebhookDeliveries: ({ webhooks }) => webhooks.listDeliveries(webhookId, { status: 'failed', limit: 5 }),
  redeliverWebhook: ({ webhooks }) => webhooks.redeliver(webhookId, deliveryId),
  listUsers: ({ admin }) => admin.listUsers({ q: 'ada', role: 'admin', disabled: false }),
  getUser: ({ admin }) => admin.getUser(userId),
  updateUser: ({ admin }) => admin.updateUser(userId, { disabled: true }),
  deleteUser: ({ admin }) => admin.deleteUser(userId),
  listAuditEvents: ({ admin }) => admin.listAuditEvents({ userId, action: 'login.failed', from: '2026-02-01T00:00:00Z' }),
  listDeadJobs: ({ admin }) => admin.listDeadJobs({ limit: 10 }),
  getLiveness: ({ health }) => health.getLiveness(),
  getReadiness: ({ health }) => health.getReadiness(),
}

t.test('operations', async (t) => {
  const { sdk } = await installSdk(t)
  const wire = recording(async () => json(200, { items: [], nextCursor: null }))
  const docketOf = () => sdk.createDocket({ baseUrl: 'http://docket.test', token: 'token', fetch: wire.fetch })

  t.test('are those of the document', async (t) => {
    t.strictSame(Object.keys(CALLS).toSorted(), spec.operations.map(({ id }) => id).toSorted())
  })

  for (const [id, call] of Object.entries(CALLS)) {
    const { method, path, public: isPublic } = operations[id as OperationId]
    t.test(`${id}: is ${method} ${path}, with a token ${isPublic ? 'never' : 'always'}`, async (t) => {
      await call(docketOf())
      const sent = wire.requests.at(-1)
      const expected = path.replaceAll(/\{(\w+)\}/g, (_, name) => ids[name as keyof typeof ids])
      t.equal(`${sent?.method} ${new URL(sent?.url ?? '').pathname}`, `${method} /api/v1${expected}`)
      t.equal(sent?.headers.get('authorization'), isPublic ? null : 'Bearer token')
      const form = id === 'createToken' ? 'application/x-www-form-urlencoded' : 'application/json'
      t.equal(sent?.headers.get('content-type'), sent?.body ? form : null)
      const takesKey = operationOf(id as OperationId).parameters.some(({ name }) => name === 'Idempotency-Key')
      t.match(sent?.headers.get('idempotency-key') ?? 'none', takesKey ? /^[0-9a-f]{32}$/ : 'none')
    })
  }

  t.test('what they are called with arrives', async (t) => {
    const sent = async (id: OperationId) => {
      await CALLS[id](docketOf())
      return wire.requests.at(-1) as Request
    }
    const query = async (id: OperationId) => [...new URL((await sent(id)).url).searchParams].map(([name, value]) => `${name}=${value}`)
    t.strictSame(await query('listListTasks'), ['priority=high', 'priority=low', 'category=a&b', 'category=c/d', 'q=milk -oat', 'completed=false'])
    t.strictSame(await query('listTasks'), ['dueBefore=2026-02-01T00:00:00+01:00', 'hasDueDate=true', 'sort=-dueAt', 'limit=100'])
    t.strictSame(await query('listUsers'), ['q=ada', 'role=admin', 'disabled=false'])
    t.strictSame(await query('listLists'), ['limit=5'])
    t.strictSame(await query('listCategories'), ['limit=5'])
    t.strictSame(await query('listReminders'), ['limit=5'])
    t.strictSame(await (await sent('createTask')).json(), { title: 'Buy milk', dueDate: null })
    t.strictSame(await (await sent('createReminder')).json(), { minutesBefore: 30 })
    t.strictSame([...new URLSearchParams(await (await sent('createToken')).text())], [['grant_type', 'password'], ...Object.entries(login)])
    for (const id of ['updateList', 'deleteList', 'updateTask', 'deleteTask', 'deleteReminder'] as const)
      t.equal((await sent(id)).headers.get('if-match'), '"1"')
    for (const id of ['getTask', 'getReminder'] as const) t.equal((await sent(id)).headers.get('if-none-match'), '"1"')
    await docketOf().tasks.list({}, { requestId: 'from-the-test' })
    t.equal(wire.requests.at(-1)?.headers.get('x-request-id'), 'from-the-test')
    await docketOf().tasks.create({ title: 'Buy milk' }, { idempotencyKey: 'from-the-test' })
    t.equal(wire.requests.at(-1)?.headers.get('idempotency-key'), 'from-the-test')
    t.not((await sent('createTask')).headers.get('idempotency-key'), (await sent('createTask')).headers.get('idempotency-key'))
  })

  t.test('no method is without one', async (t) => {
    const called = new Set<string>()
    const watched = Object.entries(docketOf()).map(([group, operations]) => {
      const watching = new Proxy(operations, {
        get: (target, name) => {
          called.add(`${group}.${String(name)}`)
          return Reflect.get(target, name).bind(target)
        },
      })
      return [group, watching]
    })
    for (const call of Object.values(CALLS)) await call(Object.fromEntries(watched))
    const methods = Object.entries(docketOf()).flatMap(([group, operations]) =>
      Object.getOwnPropertyNames(Object.getPrototypeOf(operations))
        .filter((name) => name !== 'constructor')
        .map((name) => `${group}.${name}`),
    )
    t.strictSame([...called].toSorted(), methods.toSorted())
  })
})
