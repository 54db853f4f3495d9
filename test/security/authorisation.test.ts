import t from 'tap'
import { operations } from '../../generated/operations.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { acceptable, call, createIds, type Ids, narrowed, OPERATIONS, SCOPES } from '../contract/walk.ts'
import { PASSWORD, type Person, startApp } from '../support/app.ts'
import { expectNoDefects } from './attacks.ts'

/**
 * Who asks. The owner is whose ids are named; a stranger and an admin name the ids of that owner. A disabled user and one whose session has ended
 * have nothing but their tokens. `without` has a token with every scope but the one that the operation needs, `narrowed` one with that scope alone.
 */
const ACTORS = ['nobody', 'owner', 'stranger', 'admin', 'disabled', 'ended', 'without', 'narrowed'] as const
type Actor = (typeof ACTORS)[number]

/** Operations that ask for no token, or for no scope, know no narrower one. */
const NONE = undefined

/** What each is answered, in the order of ACTORS. A new operation does not compile until it has its row. */
const POLICY = {
  register: [201, 201, 201, 201, 201, 201, NONE, NONE],
  login: [401, 200, 200, 200, 401, 200, NONE, NONE],
  createToken: [401, 200, 200, 200, 401, 200, NONE, NONE],
  logout: [401, 204, 204, 204, 401, 401, NONE, NONE],
  getMe: [401, 200, 200, 200, 401, 401, 403, 200],
  updateMe: [401, 200, 200, 200, 401, 401, 403, 200],
  listLists: [401, 200, 200, 200, 401, 401, 403, 200],
  createList: [401, 201, 201, 201, 401, 401, 403, 201],
  getList: [401, 200, 404, 404, 401, 401, 403, 200],
  updateList: [401, 200, 404, 404, 401, 401, 403, 200],
  deleteList: [401, 204, 404, 404, 401, 401, 403, 204],
  listListTasks: [401, 200, 404, 404, 401, 401, 403, 200],
  createListTask: [401, 201, 404, 404, 401, 401, 403, 201],
  listTasks: [401, 200, 200, 200, 401, 401, 403, 200],
  createTask: [401, 201, 201, 201, 401, 401, 403, 201],
  getTask: [401, 200, 404, 404, 401, 401, 403, 200],
  updateTask: [401, 200, 404, 404, 401, 401, 403, 200],
  deleteTask: [401, 204, 404, 404, 401, 401, 403, 204],
  listCategories: [401, 200, 200, 200, 401, 401, 403, 200],
  listUsers: [401, 403, 403, 200, 401, 401, 403, 200],
  getLiveness: [200, 200, 200, 200, 200, 200, NONE, NONE],
  getReadiness: [200, 200, 200, 200, 200, 200, NONE, NONE],
} satisfies Record<OperationId, readonly (number | undefined)[] & { length: typeof ACTORS.length }>

/** Of these the last two columns are about somebody with the role: nobody else can have a token with the scope. */
const ADMIN_OPERATIONS = OPERATIONS.filter((id) => (operations[id].scopes as readonly string[]).includes('admin'))

t.test('authorisation', async (t) => {
  const { as, context, register, registerAdmin, url, logged } = await startApp(t)
  const [owner, stranger, admin, disabled, ended, otherAdmin] = [
    await register(),
    await register(),
    await registerAdmin(),
    await register(),
    await register(),
    await registerAdmin(),
  ]
  await context.db.updateTable('users').set({ disabled_at: new Date().toISOString() }).where('id', '=', disabled.id).execute()
  await as(ended)('logout', { expect: 204 })
  const people: Readonly<Record<Actor, Person | undefined>> = {
    nobody: undefined,
    owner,
    stranger,
    admin,
    disabled,
    ended,
    without: owner,
    narrowed: owner,
  }

  /** A token that only this request uses: one that logs out must not end the next. */
  const tokenOf = async (id: OperationId, actor: Actor): Promise<string | undefined> => {
    const person = ADMIN_OPERATIONS.includes(id) && (actor === 'without' || actor === 'narrowed') ? otherAdmin : people[actor]
    if (person === undefined || person === disabled || person === ended) return person?.accessToken
    const needed: readonly string[] = operations[id].scopes
    if (actor === 'narrowed') return narrowed(as, person, needed)
    const scopes = actor === 'without' ? SCOPES.filter((scope) => !needed.includes(scope) && (scope !== 'admin' || person === otherAdmin)) : []
    return narrowed(as, person, scopes)
  }

  let count = 0
  /** What the operation takes, and for the ways to log in the actor's own name. */
  const requestOf = (id: OperationId, ids: Ids, actor: Actor) => {
    const request = acceptable(id, ids)
    count += 1
    const username = people[actor]?.username ?? 'nobody-at-all'
    if (id === 'register') return { ...request, body: { email: `new-${count}@example.com`, username: `new-${count}`, password: PASSWORD } }
    if (id === 'login') return { ...request, body: { username, password: PASSWORD } }
    if (id === 'createToken') return { ...request, body: { grant_type: 'password', username, password: PASSWORD } }
    return request
  }

  for (const id of OPERATIONS) {
    t.test(id, async (t) => {
      for (const [index, actor] of ACTORS.entries()) {
        const expected = POLICY[id][index]
        if (expected === undefined) continue
        const ids = await createIds(as(owner))
        const before = await everythingOf(owner)
        const { status, headers, text } = await call(url, id, await tokenOf(id, actor), requestOf(id, ids, actor))
        t.equal(status, expected, actor)
        t.equal(headers.has('www-authenticate'), status === 401 || (status === 403 && actor === 'without'), `${actor}: a challenge`)
        if (actor === 'owner' || actor === 'narrowed') continue
        t.strictSame(await everythingOf(owner), before, `${actor}: nothing of the owner's has changed`)
        if (!ADMIN_OPERATIONS.includes(id) || status >= 400)
          for (const secret of [owner.id, owner.email, ...Object.values(ids)]) t.notOk(text.includes(secret), `${actor}: ${secret}`)
      }
    })
  }

  async function everythingOf(person: Person) {
    const { db } = context
    return {
      user: await db.selectFrom('users').selectAll().where('id', '=', person.id).execute(),
      lists: await db.selectFrom('lists').selectAll().where('owner_id', '=', person.id).orderBy('id').execute(),
      tasks: await db.selectFrom('tasks').select(['id', 'list_id', 'title', 'version']).where('owner_id', '=', person.id).orderBy('id').execute(),
    }
  }

  expectNoDefects(t, logged)
})
