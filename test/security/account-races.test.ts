import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { createDatabase, EMBEDDED, PASSWORD, type Person, startApp } from '../support/app.ts'
import { inTheMiddle } from '../support/in-the-middle.ts'
import { mailTokenOf } from '../support/mail-tokens.ts'
import { expectNoDefects } from './attacks.ts'

const ROUNDS = 8
const OTHER_PASSWORD = 'tr0ub4dor and three more'
const DELETE_ME = { body: { currentPassword: PASSWORD } }

/** What two people, or one person twice, do to accounts at the same moment, on two instances where there can be two. */
t.test('races about accounts', async (t) => {
  const database = await createDatabase(t)
  const a = await startApp(t, {}, database)
  const b = EMBEDDED ? a : await startApp(t, {}, database)
  const { as, context, register, registerAdmin } = a
  const { db } = context
  /** The requests that waited too long for somebody else's, and were answered 503: that is logged. */
  const busy = new Set<string>()
  const expectUnlessBusy = (
    t: Test,
    { status, text, headers }: { status: number; text: string; headers: Headers },
    ...expected: readonly number[]
  ) => {
    if (status === 503) busy.add(headers.get('x-request-id') ?? '')
    t.ok([...expected, 503].includes(status), text)
  }
  const statusesOf = (answers: readonly { status: number }[]) => answers.map(({ status }) => status)
  const sorted = (answers: readonly { status: number }[]) => statusesOf(answers).toSorted((one, other) => one - other)
  const expectOneOf = (t: Test, answers: readonly { status: number }[], ...allowed: readonly string[]) => {
    const statuses = statusesOf(answers).join()
    t.ok(allowed.includes(statuses), statuses)
  }
  const rounds = async (race: (round: number) => Promise<void>) => {
    for (let round = 0; round < ROUNDS; round++) await race(round)
  }
  const liveAdmins = async () =>
    (await db.selectFrom('users').select('id').where('role', '=', 'admin').where('disabled_at', 'is', null).execute()).map(({ id }) => id)
  /** Nobody else is an admin. */
  const onlyAdmins = async (count: number): Promise<Person[]> => {
    await db.updateTable('users').set({ role: 'user' }).execute()
    const admins: Person[] = []
    while (admins.length < count) admins.push(await registerAdmin())
    return admins
  }
  const logIn = async ({ username }: Person) => (await as()('login', { body: { username, password: PASSWORD }, expect: 200 })).body
  const refresh = (refreshToken: string, app = b) => app.as()('refresh', { body: { refreshToken } })

  for (const [what, oust] of Object.entries<(app: typeof a, actor: Person, userId: string) => Promise<{ status: number }>>({
    'demote each other': (app, actor, userId) => app.as(actor)('updateUser', { params: { userId }, body: { role: 'user' } }),
    'disable each other': (app, actor, userId) => app.as(actor)('updateUser', { params: { userId }, body: { disabled: true } }),
    'delete each other': (app, actor, userId) => app.as(actor)('deleteUser', { params: { userId } }),
    'delete themselves': (app, actor) => app.as(actor)('deleteMe', DELETE_ME),
    'demote themselves': (app, actor) => app.as(actor)('updateUser', { params: { userId: actor.id }, body: { role: 'user' } }),
  })) {
    t.test(`two admins ${what} at once: one of them stays`, async (t) => {
      await rounds(async () => {
        const [one, other] = (await onlyAdmins(2)) as [Person, Person]
        const answers = await Promise.all([oust(a, one, other.id), oust(b, other, one.id)])
        t.equal(answers.filter(({ status }) => status < 300).length, 1, statusesOf(answers).join())
        // Who was quicker may have taken the other's token, or their role, before the other was asked who they are.
        for (const { status } of answers) t.ok([200, 204, 401, 403, 409].includes(status), `${status}`)
        t.equal((await liveAdmins()).length, 1)
      })
    })
  }

  t.test('the last admin deletes themselves twice at once: 409 both times', async (t) => {
    await rounds(async () => {
      const [root] = (await onlyAdmins(1)) as [Person]
      t.same(sorted(await Promise.all([as(root)('deleteMe', DELETE_ME), b.as(root)('deleteMe', DELETE_ME)])), [409, 409])
      t.same(await liveAdmins(), [root.id])
    })
  })

  t.test('the last admin is demoted, disabled and deleted at once, by themselves: 409 each time', async (t) => {
    const [root] = (await onlyAdmins(1)) as [Person]
    const params = { userId: root.id }
    const answers = await Promise.all([
      as(root)('updateUser', { params, body: { role: 'user' } }),
      b.as(root)('updateUser', { params, body: { disabled: true } }),
      as(root)('deleteUser', { params }),
      b.as(root)('deleteMe', DELETE_ME),
    ])
    t.same(statusesOf(answers), [409, 409, 409, 409])
    t.same(await liveAdmins(), [root.id])
  })

  t.test('somebody deletes themselves twice at once: gone once, and the second is told no more than that', async (t) => {
    await rounds(async () => {
      const ada = await register()
      const answers = await Promise.all([as(ada)('deleteMe', DELETE_ME), b.as(ada)('deleteMe', DELETE_ME)])
      const [first, second] = sorted(answers)
      t.equal(first, 204)
      t.ok([204, 401, 422].includes(Number(second)), `${second}`)
      const deleted = await db.selectFrom('audit_events').select('id').where('action', '=', 'user.deleted').where('user_id', '=', ada.id).execute()
      t.equal(deleted.length, 1)
    })
  })

  t.test('createApiToken: two of the hundredth token at once: exactly one 201', async (t) => {
    const ada = await register()
    const newToken = { body: { name: 'x', scopes: ['tasks:read' as const], currentPassword: PASSWORD } }
    const { body: first } = await as(ada)('createApiToken', { ...newToken, expect: 201 })
    const row = await db.selectFrom('api_tokens').selectAll().where('id', '=', first.id).executeTakeFirstOrThrow()
    const more = Array.from({ length: 98 }, () => ({ ...row, id: randomUUID() }))
    await db.insertInto('api_tokens').values(more).execute()
    const countOf = async () => (await db.selectFrom('api_tokens').select('id').where('user_id', '=', ada.id).execute()).length
    await rounds(async () => {
      t.equal(await countOf(), 99)
      const answers = await Promise.all([as(ada)('createApiToken', newToken), b.as(ada)('createApiToken', newToken)])
      t.same(sorted(answers), [201, 409])
      t.equal(await countOf(), 100)
      for (const { status, body } of answers)
        if (status === 201 && 'token' in body) await as(ada)('revokeApiToken', { params: { tokenId: body.id }, expect: 204 })
    })
  })

  t.test('createApiToken against deleteMe, no token that lives, and no defect', async (t) => {
    await rounds(async () => {
      const ada = await register()
      const [created, deleted] = await Promise.all([
        as(ada)('createApiToken', { body: { name: 'x', scopes: ['tasks:read'], currentPassword: PASSWORD } }),
        b.as(ada)('deleteMe', DELETE_ME),
      ])
      t.equal(deleted.status, 204)
      expectUnlessBusy(t, created, 201, 401, 422)
      if (created.status === 201 && 'token' in created.body) await as({ accessToken: created.body.token })('listTasks', { expect: 401 })
    })
  })

  t.test('resetPassword, of an address that somebody else had registered with, against createWebhook: none that is enabled', async (t) => {
    await rounds(async () => {
      const eve = await register()
      const token = await mailTokenOf(context, eve, 'reset_password')
      const create = (app: typeof a) => app.as(eve)('createWebhook', { body: { url: 'https://hooks.example.com', events: ['task.created'] } })
      const [reset, ...created] = await Promise.all([as()('resetPassword', { body: { token, password: OTHER_PASSWORD } }), ...[a, b].map(create)])
      t.equal(reset.status, 204)
      for (const answer of created) expectUnlessBusy(t, answer, 201, 401)
      t.same(await db.selectFrom('webhooks').select('id').where('owner_id', '=', eve.id).where('enabled', '=', true).execute(), [])
    })
  })

  t.test(
    'resetPassword, of such an address, in the middle of an updateWebhook that enables one: it is disabled',
    { skip: EMBEDDED && 'one connection' },
    async (t) => {
      const eve = await register()
      const webhook = { url: 'https://hooks.example.com', events: ['task.created' as const], enabled: false }
      await as(eve)('createWebhook', { body: webhook, expect: 201 })
      const token = await mailTokenOf(context, eve, 'reset_password')
      await inTheMiddle(
        db,
        (trx) => trx.updateTable('webhooks').set({ enabled: true }).where('owner_id', '=', eve.id).execute(),
        () => as()('resetPassword', { body: { token, password: OTHER_PASSWORD }, expect: 204 }),
      )
      t.same(await db.selectFrom('webhooks').select('enabled').where('owner_id', '=', eve.id).execute(), [{ enabled: false }])
    },
  )

  t.test('revokeSession against refresh: no token that was won survives', async (t) => {
    await rounds(async () => {
      const ada = await register()
      const { accessToken, refreshToken } = await logIn(ada)
      const { body: sessions } = await as(ada)('listSessions', { expect: 200 })
      const sessionId = sessions.items.find(({ current }) => !current)?.id ?? ''
      const [refreshed, revoked] = await Promise.all([refresh(refreshToken), as(ada)('revokeSession', { params: { sessionId } })])
      t.equal(revoked.status, 204)
      t.ok([200, 401].includes(refreshed.status), refreshed.text)
      await b.as({ accessToken })('getMe', { expect: 401 })
      if (refreshed.status !== 200 || !('accessToken' in refreshed.body)) return
      await b.as(refreshed.body)('getMe', { expect: 401 })
      t.equal((await refresh(refreshed.body.refreshToken)).status, 401)
    })
  })

  t.test('revokeSession: one session twice at once: exactly one 204', async (t) => {
    await rounds(async () => {
      const ada = await register()
      await logIn(ada)
      const { body: sessions } = await as(ada)('listSessions', { expect: 200 })
      const params = { sessionId: sessions.items.find(({ current }) => !current)?.id ?? '' }
      t.same(sorted(await Promise.all([as(ada)('revokeSession', { params }), b.as(ada)('revokeSession', { params })])), [204, 404])
    })
  })

  t.test('two sessions that end each other at once: one stays at most, and neither is ended without its owner knowing', async (t) => {
    await rounds(async () => {
      const ada = await register()
      const other = await logIn(ada)
      const answers = await Promise.all([as(ada)('revokeOtherSessions'), b.as(other)('revokeOtherSessions')])
      t.ok(answers.some(({ status }) => status === 204))
      for (const { status } of answers) t.ok([204, 401].includes(status), `${status}`)
      const live = await db.selectFrom('sessions').select('id').where('user_id', '=', ada.id).where('revoked_at', 'is', null).execute()
      t.ok(live.length <= 1, `${live.length}`)
    })
  })

  t.test('changePassword: twice at once with the same current password: exactly one 204, and its password is the one that works', async (t) => {
    await rounds(async () => {
      const ada = await register()
      const other = await logIn(ada)
      const passwords = [`${OTHER_PASSWORD} one`, `${OTHER_PASSWORD} two`] as const
      const answers = await Promise.all([
        as(ada)('changePassword', { body: { currentPassword: PASSWORD, newPassword: passwords[0] } }),
        b.as(other)('changePassword', { body: { currentPassword: PASSWORD, newPassword: passwords[1] } }),
      ])
      expectOneOf(t, answers, '204,422', '422,204', '204,401', '401,204')
      const won = answers[0].status === 204 ? 0 : 1
      const statuses = await Promise.all(
        [...passwords, PASSWORD].map(async (password) => (await as()('login', { body: { username: ada.username, password } })).status),
      )
      t.same(
        statuses,
        [0, 1, 2].map((index) => (index === won ? 200 : 401)),
      )
      t.equal((await as(ada)('getMe')).status, won === 0 ? 200 : 401)
      t.equal((await as(other)('getMe')).status, won === 1 ? 200 : 401)
    })
  })

  t.test('deleteMe against changePassword with the same current password: one of them, never both', async (t) => {
    await rounds(async () => {
      const ada = await register()
      const other = await logIn(ada)
      const answers = await Promise.all([
        as(ada)('changePassword', { body: { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD } }),
        b.as(other)('deleteMe', DELETE_ME),
      ])
      expectOneOf(t, answers, '204,422', '204,401', '401,204', '422,204')
      const stays = answers[0].status === 204
      t.equal((await as()('login', { body: { username: ada.username, password: OTHER_PASSWORD } })).status, stays ? 200 : 401)
    })
  })

  for (const [what, end] of Object.entries<(person: Person) => Promise<unknown>>({
    changePassword: (person) => as(person)('changePassword', { body: { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD }, expect: 204 }),
    deleteMe: (person) => as(person)('deleteMe', { ...DELETE_ME, expect: 204 }),
    'being disabled': async (person) =>
      as(await registerAdmin())('updateUser', { params: { userId: person.id }, body: { disabled: true }, expect: 200 }),
  })) {
    t.test(`login against ${what}: no session that was won with the old password survives`, async (t) => {
      await rounds(async () => {
        const ada = await register()
        const body = { username: ada.username, password: PASSWORD }
        const [, ...logins] = await Promise.all([
          end(ada),
          ...Array.from({ length: 4 }, (_, index) => (index % 2 === 0 ? a : b).as()('login', { body })),
        ])
        for (const { status, body } of logins) {
          t.ok([200, 401].includes(status), `${status}`)
          if (status !== 200 || !('accessToken' in body)) continue
          await b.as(body)('getMe', { expect: 401 })
          t.equal((await refresh(body.refreshToken)).status, 401)
        }
      })
    })
  }

  t.test('deleteMe against everything that writes: done before, or refused, and nothing left over', async (t) => {
    await rounds(async () => {
      const ada = await register()
      const { id: listId } = (await as(ada)('createList', { body: { title: 'x' }, expect: 201 })).body
      const newTask = async () => (await as(ada)('createListTask', { params: { listId }, body: { title: 'x' }, expect: 201 })).body.id
      const [changed, dated, removed] = [await newTask(), await newTask(), await newTask()]
      const [deleted, ...answers] = await Promise.all([
        as(ada)('deleteMe', DELETE_ME),
        ...Array.from({ length: 5 }, (_, index) => b.as(ada)('createTask', { body: { title: 'x', categories: [`new ${index}`] } })),
        ...Array.from({ length: 5 }, () => b.as(ada)('createListTask', { params: { listId }, body: { title: 'x', categories: ['new'] } })),
        b.as(ada)('updateTask', { params: { taskId: changed }, body: { categories: ['newest'], completed: true } }),
        b.as(ada)('updateTask', { params: { taskId: dated }, body: { dueDate: '2027-01-31' } }),
        b.as(ada)('deleteTask', { params: { taskId: removed } }),
        b.as(ada)('deleteList', { params: { listId } }),
        ...Array.from({ length: 3 }, () => b.as(ada)('createList', { body: { title: 'x' } })),
        ...Array.from({ length: 3 }, () => b.as(ada)('updateMe', { body: { timeZone: 'Europe/Berlin' } })),
      ])
      t.equal(deleted.status, 204)
      for (const { status, text } of answers) t.ok([200, 201, 204, 401, 404].includes(status), text)
      t.same(await db.selectFrom('lists').select('id').where('owner_id', '=', ada.id).execute(), [])
      t.same(await db.selectFrom('tasks').select('id').where('owner_id', '=', ada.id).execute(), [])
    })
  })

  t.test('updateMe to a name that is being registered, and that is being given up: nobody shares it', async (t) => {
    await rounds(async (round) => {
      const [ada, eve] = [await register(), await register()]
      const username = `sought-${round}`
      const answers = await Promise.all([
        as()('register', { body: { email: `${username}@example.com`, username, password: PASSWORD } }),
        b.as(ada)('updateMe', { body: { username: username.toUpperCase() } }),
        as(eve)('updateMe', { body: { username } }),
      ])
      t.equal(answers.filter(({ status }) => status < 300).length, 1, statusesOf(answers).join())
      for (const { status, body } of answers) if (status >= 300) t.match({ status, body }, { status: 409, body: { code: 'USERNAME_TAKEN' } })
    })
  })

  const unexpected = ({ logged }: typeof a) => logged.filter(({ requestId }) => !busy.has(String(requestId)))
  expectNoDefects(t, unexpected(a))
  if (b !== a) expectNoDefects(t, unexpected(b))
})
