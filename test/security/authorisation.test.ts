import t from 'tap'
import { operations } from '../../generated/operations.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { acceptable, CONSUMING, call, createIds, type Ids, isForAdmins, narrowed, OPERATIONS, SCOPES } from '../contract/walk.ts'
import { PASSWORD, type Person, startApp } from '../support/app.ts'
import { mailTokenOf, PURPOSES } from '../support/mail-tokens.ts'
import { expectNoDefects } from './attacks.ts'

/**
 * Who asks. The owner is whose ids are named; a stranger and an admin name the ids of that owner. A disabled user and one whose session has ended
 * have nothing but their tokens. `without` has a token with every scope but the one that the operation needs, `narrowed` one with that scope alone.
 * The API tokens are those of the owner, of an admin and of the demoted, with every scope that each had at the time. The demoted was an admin when
 * the session began.
 */
const ACTORS = [
  'nobody',
  'owner',
  'stranger',
  'admin',
  'disabled',
  'ended',
  'without',
  'narrowed',
  'apiToken',
  'apiTokenOfAdmin',
  'demoted',
  'apiTokenOfDemoted',
] as const
type Actor = (typeof ACTORS)[number]

/** Operations that ask for no token, or for no scope, know no narrower one. */
const NONE = undefined

/** What each is answered, in the order of ACTORS. A new operation does not compile until it has its row. */
const POLICY = {
  register: [201, 201, 201, 201, 201, 201, NONE, NONE, 201, 201, 201, 201],
  login: [401, 200, 200, 200, 401, 200, NONE, NONE, 200, 200, 200, 200],
  createToken: [401, 200, 200, 200, 401, 200, NONE, NONE, 200, 200, 200, 200],
  refresh: [401, 200, 200, 200, 401, 401, NONE, NONE, 200, 200, 200, 200],
  logout: [401, 204, 204, 204, 401, 401, NONE, NONE, 403, 403, 204, 403],
  requestPasswordReset: [202, 202, 202, 202, 202, 202, NONE, NONE, 202, 202, 202, 202],
  resetPassword: [422, 204, 204, 204, 422, 204, NONE, NONE, 204, 204, 204, 204],
  verifyEmail: [422, 204, 204, 204, 422, 204, NONE, NONE, 204, 204, 204, 204],
  resendVerification: [401, 202, 202, 202, 401, 401, 403, 202, 403, 403, 202, 403],
  getMe: [401, 200, 200, 200, 401, 401, 403, 200, 200, 200, 200, 200],
  updateMe: [401, 200, 200, 200, 401, 401, 403, 200, 200, 200, 200, 200],
  changePassword: [401, 204, 204, 204, 401, 401, 403, 204, 403, 403, 204, 403],
  changeEmail: [401, 202, 202, 202, 401, 401, 403, 202, 403, 403, 202, 403],
  deleteMe: [401, 204, 204, 204, 401, 401, 403, 204, 403, 403, 204, 403],
  listSessions: [401, 200, 200, 200, 401, 401, 403, 200, 403, 403, 200, 403],
  revokeOtherSessions: [401, 204, 204, 204, 401, 401, 403, 204, 403, 403, 204, 403],
  revokeSession: [401, 204, 404, 404, 401, 401, 403, 204, 403, 403, 404, 403],
  listApiTokens: [401, 200, 200, 200, 401, 401, 403, 200, 403, 403, 200, 403],
  createApiToken: [401, 201, 201, 201, 401, 401, 403, 201, 403, 403, 201, 403],
  revokeApiToken: [401, 204, 404, 404, 401, 401, 403, 204, 403, 403, 404, 403],
  listLists: [401, 200, 200, 200, 401, 401, 403, 200, 200, 200, 200, 200],
  createList: [401, 201, 201, 201, 401, 401, 403, 201, 201, 201, 201, 201],
  getList: [401, 200, 404, 404, 401, 401, 403, 200, 200, 404, 404, 404],
  updateList: [401, 200, 404, 404, 401, 401, 403, 200, 200, 404, 404, 404],
  deleteList: [401, 204, 404, 404, 401, 401, 403, 204, 204, 404, 404, 404],
  listListTasks: [401, 200, 404, 404, 401, 401, 403, 200, 200, 404, 404, 404],
  createListTask: [401, 201, 404, 404, 401, 401, 403, 201, 201, 404, 404, 404],
  listTasks: [401, 200, 200, 200, 401, 401, 403, 200, 200, 200, 200, 200],
  createTask: [401, 201, 201, 201, 401, 401, 403, 201, 201, 201, 201, 201],
  getTask: [401, 200, 404, 404, 401, 401, 403, 200, 200, 404, 404, 404],
  updateTask: [401, 200, 404, 404, 401, 401, 403, 200, 200, 404, 404, 404],
  deleteTask: [401, 204, 404, 404, 401, 401, 403, 204, 204, 404, 404, 404],
  listCategories: [401, 200, 200, 200, 401, 401, 403, 200, 200, 200, 200, 200],
  listReminders: [401, 200, 404, 404, 401, 401, 403, 200, 200, 404, 404, 404],
  createReminder: [401, 201, 404, 404, 401, 401, 403, 201, 201, 404, 404, 404],
  getReminder: [401, 200, 404, 404, 401, 401, 403, 200, 200, 404, 404, 404],
  deleteReminder: [401, 204, 404, 404, 401, 401, 403, 204, 204, 404, 404, 404],
  listChanges: [401, 200, 200, 200, 401, 401, 403, 200, 200, 200, 200, 200],
  streamEvents: [401, 200, 200, 200, 401, 401, 403, 200, 200, 200, 200, 200],
  listWebhooks: [401, 200, 200, 200, 401, 401, 403, 200, 200, 200, 200, 200],
  createWebhook: [401, 201, 201, 201, 401, 401, 403, 201, 201, 201, 201, 201],
  getWebhook: [401, 200, 404, 404, 401, 401, 403, 200, 200, 404, 404, 404],
  updateWebhook: [401, 200, 404, 404, 401, 401, 403, 200, 200, 404, 404, 404],
  deleteWebhook: [401, 204, 404, 404, 401, 401, 403, 204, 204, 404, 404, 404],
  rotateWebhookSecret: [401, 200, 404, 404, 401, 401, 403, 200, 200, 404, 404, 404],
  testWebhook: [401, 202, 404, 404, 401, 401, 403, 202, 202, 404, 404, 404],
  listWebhookDeliveries: [401, 200, 404, 404, 401, 401, 403, 200, 200, 404, 404, 404],
  redeliverWebhook: [401, 202, 404, 404, 401, 401, 403, 202, 202, 404, 404, 404],
  listUsers: [401, 403, 403, 200, 401, 401, 403, 200, 403, 200, 403, 403],
  getUser: [401, 403, 403, 200, 401, 401, 403, 200, 403, 200, 403, 403],
  updateUser: [401, 403, 403, 200, 401, 401, 403, 200, 403, 200, 403, 403],
  deleteUser: [401, 403, 403, 204, 401, 401, 403, 204, 403, 204, 403, 403],
  listAuditEvents: [401, 403, 403, 200, 401, 401, 403, 200, 403, 200, 403, 403],
  listDeadJobs: [401, 403, 403, 200, 401, 401, 403, 200, 403, 200, 403, 403],
  getLiveness: [200, 200, 200, 200, 200, 200, NONE, NONE, 200, 200, 200, 200],
  getReadiness: [200, 200, 200, 200, 200, 200, NONE, NONE, 200, 200, 200, 200],
} satisfies Record<OperationId, readonly (number | undefined)[] & { length: typeof ACTORS.length }>

/** After these a session, an API token or a person is gone, or is not what it was: each request gets people of its own. */
const ENDING: readonly OperationId[] = [...CONSUMING, 'resetPassword', 'logout', 'revokeApiToken']
const ALL_SCOPES = ['account:read', 'account:write', 'tasks:read', 'tasks:write', 'webhooks:write'] as const

t.test('authorisation', async (t) => {
  const { as, context, register, registerAdmin, url, logged } = await startApp(t)

  /** @param scopes all that they have */
  const apiTokenOf = async (person: Person, scopes: readonly ((typeof ALL_SCOPES)[number] | 'admin')[]) =>
    (await as(person)('createApiToken', { body: { name: 'x', scopes: [...scopes], currentPassword: PASSWORD }, expect: 201 })).body.token

  const newPeople = async () => {
    const [owner, stranger, admin, disabled, ended, otherAdmin, demoted] = [
      await register(),
      await register(),
      await registerAdmin(),
      await register(),
      await register(),
      await registerAdmin(),
      await registerAdmin(),
    ]
    await as(admin)('updateUser', { params: { userId: disabled.id }, body: { disabled: true }, expect: 200 })
    await as(ended)('logout', { expect: 204 })
    const [apiToken, apiTokenOfAdmin, apiTokenOfDemoted] = [
      await apiTokenOf(owner, ALL_SCOPES),
      await apiTokenOf(otherAdmin, ['admin', ...ALL_SCOPES]),
      await apiTokenOf(demoted, ['admin', ...ALL_SCOPES]),
    ]
    await as(admin)('updateUser', { params: { userId: demoted.id }, body: { role: 'user' }, expect: 200 })
    return { owner, stranger, admin, disabled, ended, otherAdmin, demoted, apiToken, apiTokenOfAdmin, apiTokenOfDemoted }
  }
  type People = Awaited<ReturnType<typeof newPeople>>
  const shared = await newPeople()

  /** Who is behind an actor: in operations for admins, tokens with more or fewer scopes are those of somebody with the role. */
  const personOf = (id: OperationId, actor: Actor, people: People): Person | undefined => {
    if (actor === 'nobody') return undefined
    if (actor === 'without' || actor === 'narrowed') return isForAdmins(id) ? people.otherAdmin : people.owner
    if (actor === 'apiToken') return people.owner
    if (actor === 'apiTokenOfAdmin') return people.otherAdmin
    if (actor === 'apiTokenOfDemoted') return people.demoted
    return people[actor]
  }

  const tokenOf = async (id: OperationId, actor: Actor, people: People): Promise<string | undefined> => {
    const person = personOf(id, actor, people)
    if (person === undefined || person === people.disabled || person === people.ended) return person?.accessToken
    if (actor === 'demoted') return person.accessToken
    if (actor === 'apiToken' || actor === 'apiTokenOfAdmin' || actor === 'apiTokenOfDemoted') return people[actor]
    const needed: readonly string[] = operations[id].scopes
    if (actor === 'narrowed') return narrowed(as, person, needed)
    const scopes = actor === 'without' ? SCOPES.filter((scope) => !needed.includes(scope) && (scope !== 'admin' || person === people.otherAdmin)) : []
    return narrowed(as, person, scopes)
  }

  let count = 0
  /** What the operation takes, and for the ways to log in the actor's own name. */
  const requestOf = async (id: OperationId, ids: Ids, actor: Actor, people: People) => {
    const request = acceptable(id, ids)
    count += 1
    const person = personOf(id, actor, people)
    const username = person?.username ?? 'nobody-at-all'
    if (id === 'register') return { ...request, body: { email: `new-${count}@example.com`, username: `new-${count}`, password: PASSWORD } }
    if (id === 'login') return { ...request, body: { username, password: PASSWORD } }
    if (id === 'createToken') return { ...request, body: { grant_type: 'password', username, password: PASSWORD } }
    if (id === 'refresh' && person !== undefined) {
      const gone = person === people.disabled || person === people.ended
      const { refreshToken } = gone ? person : (await as()('login', { body: { username, password: PASSWORD }, expect: 200 })).body
      return { ...request, body: { refreshToken } }
    }
    if ((id === 'resetPassword' || id === 'verifyEmail') && person !== undefined) {
      return { ...request, body: { ...(request.body as object), token: await mailTokenOf(context, person, PURPOSES[id]) } }
    }
    // A token cannot get a scope that its maker does not have.
    if (id === 'createApiToken' && actor === 'narrowed') {
      return { ...request, body: { name: 'x', scopes: operations[id].scopes, currentPassword: PASSWORD } }
    }
    return request
  }

  for (const id of OPERATIONS) {
    t.test(id, async (t) => {
      let people = shared
      let ids: Ids | undefined
      for (const [index, actor] of ACTORS.entries()) {
        const expected = POLICY[id][index]
        if (expected === undefined) continue
        if (ENDING.includes(id)) {
          people = await newPeople()
          ids = undefined
        }
        const { owner } = people
        ids ??= await createIds(as(owner))
        const secrets = [owner.id, owner.email, ...Object.values(ids)]
        const [token, request] = [await tokenOf(id, actor, people), await requestOf(id, ids, actor, people)]
        const before = await everythingOf(owner)
        const { status, headers, text, body } = await call(url, id, token, request)
        t.equal(status, expected, actor)
        t.equal(headers.has('www-authenticate'), status === 401 || (status === 403 && actor === 'without'), `${actor}: a challenge`)
        if (status === 403 && actor !== 'without') t.match(body, { code: 'FORBIDDEN' }, actor)
        // It may have deleted one of them.
        if (status < 400) ids = undefined
        if (status < 400 && personOf(id, actor, people) === owner) continue
        t.strictSame(await everythingOf(owner), before, `${actor}: nothing of the owner's has changed`)
        if (!isForAdmins(id) || status >= 400) for (const secret of secrets) t.notOk(text.includes(secret), `${actor}: ${secret}`)
      }
    })
  }

  async function everythingOf(person: Person) {
    const { db } = context
    return {
      user: await db.selectFrom('users').selectAll().where('id', '=', person.id).execute(),
      lists: await db.selectFrom('lists').selectAll().where('owner_id', '=', person.id).orderBy('id').execute(),
      tasks: await db.selectFrom('tasks').select(['id', 'list_id', 'title', 'version']).where('owner_id', '=', person.id).orderBy('id').execute(),
      reminders: await db.selectFrom('reminders').select(['id', 'task_id', 'version']).where('owner_id', '=', person.id).orderBy('id').execute(),
      sessions: await db.selectFrom('sessions').select(['id', 'revoked_at']).where('user_id', '=', person.id).orderBy('id').execute(),
      webhooks: await db.selectFrom('webhooks').select(['id', 'version', 'secret']).where('owner_id', '=', person.id).orderBy('id').execute(),
      deliveries: await db.selectFrom('webhook_deliveries').select(['id', 'round']).where('owner_id', '=', person.id).orderBy('id').execute(),
      apiTokens: await db.selectFrom('api_tokens').select(['id', 'scopes']).where('user_id', '=', person.id).orderBy('id').execute(),
    }
  }

  t.test('an API token is refused exactly where the document does not list its scheme', async (t) => {
    for (const id of OPERATIONS.filter((id) => !operations[id].public)) {
      const status = POLICY[id][ACTORS.indexOf('apiTokenOfAdmin')]
      t.equal(status === 403, !(operations[id].schemes as readonly string[]).includes('apiToken'), id)
    }
  })

  expectNoDefects(t, logged)
})
