import { randomUUID } from 'node:crypto'
import t from 'tap'
import { operations } from '../../generated/operations.ts'
import { newApiToken } from '../../src/api-tokens/token.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { PASSWORD, type Person, startApp, type TestApp } from '../support/app.ts'
import { send, textOf } from '../support/client.ts'
import { checkAnswer, operationOf } from '../support/contract-check.ts'
import { startInstances } from '../support/instances.ts'
import { checksumOf } from './checksum.ts'

const SCOPES = ['tasks:read', 'tasks:write', 'account:read', 'account:write', 'webhooks:write', 'admin'] as const
type Scope = (typeof SCOPES)[number]

const SECURED = (Object.keys(operations) as OperationId[]).filter((id) => !operations[id].public)
const takesApiTokens = (id: OperationId) => (operations[id].schemes as readonly string[]).includes('apiToken')

async function create({ as }: TestApp, person: Person, scopes: readonly Scope[] = ['tasks:read', 'account:read']) {
  const { body } = await as(person)('createApiToken', {
    body: { name: 'A program', scopes: [...scopes], currentPassword: PASSWORD },
    expect: 201,
  })
  return { id: body.id, accessToken: body.token }
}

t.test('an API token', async (t) => {
  const app = await startApp(t)
  const { as, context, register, registerAdmin, url } = app
  const { db } = context
  const root = await registerAdmin()
  const refused = { status: 401, body: { code: 'UNAUTHENTICATED', detail: 'The API token is unknown, expired or revoked.' } }

  /** Calls an operation without a body, with ids that are nothing's: what comes back says whether the token was good enough. */
  const knock = async (id: OperationId, token: string) => {
    const params = Object.fromEntries(
      operationOf(id)
        .parameters.filter((parameter) => parameter.in === 'path')
        .map(({ name }) => [name, randomUUID()]),
    )
    const response = await send(url, id, token, { params })
    const text = await textOf(response)
    checkAnswer(id, response.status, response.headers, text)
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
  }

  t.test('with all scopes is good for exactly the operations that name it', async (t) => {
    const { accessToken } = await create(app, root, SCOPES)
    t.ok(SECURED.filter(takesApiTokens).length > 10)
    for (const id of SECURED) {
      const { status, headers, body } = await knock(id, accessToken)
      if (takesApiTokens(id)) {
        t.ok(status !== 401 && status !== 403, `${id} ${status}`)
      } else {
        t.match({ status, body }, { status: 403, body: { code: 'FORBIDDEN', detail: 'An API token may not do this: log in instead.' } }, id)
        t.equal(headers.get('www-authenticate'), null)
      }
    }
    t.same(
      SECURED.filter((id) => !takesApiTokens(id)),
      [
        'logout',
        'resendVerification',
        'changePassword',
        'changeEmail',
        'deleteMe',
        'listSessions',
        'revokeOtherSessions',
        'revokeSession',
        'listApiTokens',
        'createApiToken',
        'revokeApiToken',
      ],
      'what a program that acts for somebody must never do',
    )
  })

  for (const scope of SCOPES) {
    t.test(`with ${scope} alone: 403 INSUFFICIENT_SCOPE where another is needed, and only there`, async (t) => {
      const { accessToken } = await create(app, root, [scope])
      for (const id of SECURED.filter(takesApiTokens)) {
        const { status, headers, body } = await knock(id, accessToken)
        const lacking = (operations[id].scopes as readonly string[]).find((needed) => needed !== scope)
        if (lacking === undefined) {
          t.ok(status !== 401 && status !== 403, `${id} ${status}`)
        } else {
          t.match({ status, body }, { status: 403, body: { code: 'INSUFFICIENT_SCOPE' } }, id)
          t.equal(headers.get('www-authenticate'), `Bearer realm="docket", error="insufficient_scope", scope="${lacking}"`)
        }
      }
    })
  }

  t.test('acts for its owner', async (t) => {
    const ada = await register()
    const token = await create(app, ada, ['tasks:read', 'tasks:write', 'account:read'])
    t.match(await as(token)('getMe'), { status: 200, body: { id: ada.id } })
    const { body: task } = await as(token)('createTask', { body: { title: 'By a program' }, expect: 201 })
    t.match(await as(ada)('getTask', { params: { taskId: task.id } }), { status: 200, body: { title: 'By a program' } })
    t.equal((await as(await create(app, await register()))('getTask', { params: { taskId: task.id } })).status, 404)
  })

  t.test('401 in any other form, without a query', async (t) => {
    const { accessToken: token } = await create(app, await register())
    const others = {
      'a flipped character of the ids': `dkt_${token[4] === '1' ? '2' : '1'}${token.slice(5)}`,
      'a flipped character of the secret': `${token.slice(0, 60)}${token[60] === 'a' ? 'b' : 'a'}${token.slice(61)}`,
      'a flipped character of the checksum': `${token.slice(0, -1)}${token.endsWith('a') ? 'b' : 'a'}`,
      'one character less': token.slice(0, -1),
      'one character more': `${token}0`,
      padding: `${token}=`,
      'another alphabet': `${token.slice(0, 50)}-${token.slice(51)}`,
      'the prefix alone': 'dkt_',
      'the prefix in capitals': `DKT_${token.slice(4)}`,
      'no prefix': token.slice(4),
      'text behind it': `${token} and more`,
      twice: `${token},${token}`,
    }
    // With no such table every look-up would be a 500.
    await db.schema.alterTable('api_tokens').renameTo('api_tokens_away').execute()
    try {
      for (const [what, other] of Object.entries(others)) {
        const { status, headers } = await as({ accessToken: other })('listTasks')
        t.equal(status, 401, what)
        t.equal(headers.get('www-authenticate'), 'Bearer realm="docket", error="invalid_token"', what)
      }
      const unknown = newApiToken(randomUUID(), randomUUID()).token
      t.equal((await as({ accessToken: unknown })('listTasks')).status, 500, 'one in the right form is looked up')
    } finally {
      await db.schema.alterTable('api_tokens_away').renameTo('api_tokens').execute()
    }
    t.equal((await as({ accessToken: token })('listTasks')).status, 200)
  })

  t.test('401: unknown ids, the ids of one token with the secret of another, of another user, or with a new one', async (t) => {
    const [ada, eve] = [await register(), await register()]
    const [one, two, hers] = [await create(app, ada), await create(app, ada), await create(app, eve)]
    const forged = (userId: string, tokenId: string) => ({ accessToken: newApiToken(userId, tokenId).token })
    for (const warm of [false, true]) {
      for (const token of [
        forged(ada.id, one.id),
        forged(eve.id, one.id),
        forged(ada.id, hers.id),
        forged(ada.id, randomUUID()),
        forged(randomUUID(), one.id),
      ]) {
        t.match(await as(token)('listTasks'), refused)
      }
      for (const secretOf of [two, hers]) t.match(await as({ accessToken: spliced(one.accessToken, secretOf.accessToken) })('listTasks'), refused)
      if (!warm) for (const token of [one, two, hers]) await as(token)('listTasks', { expect: 200 })
    }
    for (const token of [one, two, hers]) t.equal((await as(token)('listTasks')).status, 200, 'they have come to no harm')
  })

  t.test('401 once it has expired, remembered or not', async (t) => {
    const ada = await register()
    const [used, unused, soon] = [await create(app, ada), await create(app, ada), await create(app, ada)]
    await as(used)('listTasks', { expect: 200 })
    const expire = (at: number, ...tokens: { id: string }[]) =>
      db
        .updateTable('api_tokens')
        .set({ expires_at: new Date(at).toISOString() })
        .where(
          'id',
          'in',
          tokens.map(({ id }) => id),
        )
        .execute()
    await expire(Date.now() - 1000, unused)
    t.match(await as(unused)('listTasks'), refused)
    // One that was looked up a moment before its end is not good a moment after it.
    await expire(Date.now() + 1000, soon)
    let status = 200
    while (status === 200) status = (await as(soon)('listTasks')).status
    t.equal(status, 401)
    t.ok(
      Date.now() >=
        Date.parse((await db.selectFrom('api_tokens').select('expires_at').where('id', '=', soon.id).executeTakeFirstOrThrow()).expires_at),
    )
    t.equal((await as(used)('listTasks')).status, 200)
  })

  t.test('tokens go on when their owner logs out or changes the password', async (t) => {
    const ada = await register()
    const token = await create(app, ada)
    await as(ada)('changePassword', { body: { currentPassword: PASSWORD, newPassword: 'another horse another staple' }, expect: 204 })
    t.equal((await as(token)('getMe')).status, 200)
    await as(ada)('logout', { expect: 204 })
    t.equal((await as(token)('getMe')).status, 200)
  })
})

t.test('what happens to an API token on one instance', async (t) => {
  const [a, b] = await startInstances(t)
  const root = await a.registerAdmin()
  const statuses = async (token: { accessToken: string }, id: 'getMe' | 'listUsers' = 'getMe') => [
    (await b.as(token)(id)).status,
    (await a.as(token)(id)).status,
  ]

  t.test('revoked: 401 on both at once, in 20 rounds', async (t) => {
    const ada = await a.register()
    const kept = await create(a, ada)
    for (let round = 0; round < 20; round++) {
      const token = await create(a, ada)
      t.same(await statuses(token), [200, 200])
      await a.as(ada)('revokeApiToken', { params: { tokenId: token.id }, expect: 204 })
      t.same(await statuses(token), [401, 401])
    }
    t.same(await statuses(kept), [200, 200])
  })

  t.test('owner disabled: 401 on both; enabled: it works again', async (t) => {
    const ada = await a.register()
    const token = await create(a, ada)
    t.same(await statuses(token), [200, 200])
    for (const [disabled, expected] of [
      [true, 401],
      [false, 200],
      [true, 401],
    ] as const) {
      await a.as(root)('updateUser', { params: { userId: ada.id }, body: { disabled }, expect: 200 })
      t.same(await statuses(token), [expected, expected])
    }
  })

  t.test('owner deleted: 401 on both', async (t) => {
    const ada = await a.register()
    const token = await create(a, ada)
    t.same(await statuses(token), [200, 200])
    await a.as(root)('deleteUser', { params: { userId: ada.id }, expect: 204 })
    t.same(await statuses(token), [401, 401])
  })

  t.test('admin: gone with the role, and nothing else with it', async (t) => {
    const grace = await a.registerAdmin()
    const token = await create(a, grace, ['admin', 'account:read'])
    t.same(await statuses(token, 'listUsers'), [200, 200])
    await a.as(root)('updateUser', { params: { userId: grace.id }, body: { role: 'user' }, expect: 200 })
    t.same(await statuses(token, 'listUsers'), [403, 403])
    t.same(await statuses(token), [200, 200])
    const { status } = await a.as(grace)('createApiToken', { body: { name: 'Again', scopes: ['admin'], currentPassword: PASSWORD } })
    t.equal(status, 403, 'nor can it be had again')
  })

  t.test('revoked while it is used: nothing gets through afterwards, in 20 rounds', async (t) => {
    const ada = await a.register()
    for (let round = 0; round < 20; round++) {
      const token = await create(a, ada)
      const using = Array.from({ length: 6 }, (_, n) => (n % 2 ? a : b).as(token)('getMe'))
      await a.as(ada)('revokeApiToken', { params: { tokenId: token.id }, expect: 204 })
      t.same(await statuses(token), [401, 401])
      for (const { status } of await Promise.all(using)) t.ok(status === 200 || status === 401)
    }
  })
})

/** The ids of one token and the secret of another. */
function spliced(ids: string, secret: string): string {
  const text = ids.slice(0, 47) + secret.slice(47, 90)
  return text + checksumOf(text)
}
