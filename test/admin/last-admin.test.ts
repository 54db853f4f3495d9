import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import t from 'tap'
import { requireAnotherAdmin } from '../../src/users/last-admin.ts'
import { EMBEDDED, PASSWORD, type Person, type TestApp } from '../support/app.ts'
import { startInstances } from '../support/instances.ts'

const ROUNDS = 25

t.test('somebody is always in charge', async (t) => {
  const [a, b] = await startInstances(t)
  const { db } = a.context
  /** Everybody from before is no admin any more, so that there are exactly these. */
  const onlyAdmins = async (count: number): Promise<Person[]> => {
    await db.updateTable('users').set({ role: 'user' }).where('role', '=', 'admin').execute()
    return Promise.all(Array.from({ length: count }, () => a.registerAdmin()))
  }
  const inCharge = async () =>
    (await db.selectFrom('users').select('id').where('role', '=', 'admin').where('disabled_at', 'is', null).execute()).map(({ id }) => id)

  type Deed = (instance: TestApp, actor: Person, target: Person) => Promise<{ status: number; text: string }>
  const demote: Deed = ({ as }, actor, { id }) => as(actor)('updateUser', { params: { userId: id }, body: { role: 'user' } })
  const disable: Deed = ({ as }, actor, { id }) => as(actor)('updateUser', { params: { userId: id }, body: { disabled: true } })
  const both: Deed = ({ as }, actor, { id }) => as(actor)('updateUser', { params: { userId: id }, body: { role: 'user', disabled: true } })
  const remove: Deed = ({ as }, actor, { id }) => as(actor)('deleteUser', { params: { userId: id } })
  const leave: Deed = ({ as }, actor) => as(actor)('deleteMe', { body: { currentPassword: PASSWORD } })
  const DEEDS = { demote, disable, 'demote and disable': both, delete: remove }

  for (const [what, deed] of Object.entries({ ...DEEDS, deleteMe: leave })) {
    t.test(`${what}: 409 for the only admin; disabled admins do not count; with another it succeeds`, async (t) => {
      const [root, disabled] = await onlyAdmins(2)
      if (root === undefined || disabled === undefined) throw new Error('There are two.')
      t.equal((await disable(a, root, disabled)).status, 200)
      t.equal((await deed(a, root, root)).status, 409)
      t.same(await inCharge(), [root.id])
      t.equal((await a.as(root)('listUsers')).status, 200, 'and goes on')
      t.equal((await a.as(root)('updateUser', { params: { userId: disabled.id }, body: { disabled: false } })).status, 200)
      t.match(await deed(a, root, root), { status: /^20[04]$/ })
      t.same(await inCharge(), [disabled.id])
    })
  }

  t.test('an admin who is disabled can be demoted and deleted by the last one', async (t) => {
    const [root, one, two] = await onlyAdmins(3)
    if (root === undefined || one === undefined || two === undefined) throw new Error('There are three.')
    for (const other of [one, two]) await disable(a, root, other)
    t.equal((await demote(a, root, one)).status, 200)
    t.equal((await remove(a, root, two)).status, 204)
    t.same(await inCharge(), [root.id])
  })

  t.test('whoever changes or deletes a user who is no admin holds up no admin, however long it takes', async (t) => {
    const [root] = await onlyAdmins(1)
    const ada = await a.register()
    const locked = (id = '') =>
      sql`select id from users where id = ${id} for share nowait`.execute(db).then(
        () => false,
        () => true,
      )
    await db.transaction().execute(async (trx) => {
      await requireAnotherAdmin(trx, ada.id)
      // The embedded database has one connection, on which nobody waits for locks.
      if (!EMBEDDED) t.same([await locked(root?.id), await locked(ada.id)], [false, true])
    })
    t.same([await locked(root?.id), await locked(ada.id)], [false, false])
  })

  t.test('a refusal changes nothing and leaves no event', async (t) => {
    const [root] = await onlyAdmins(1)
    if (root === undefined) throw new Error('There is one.')
    for (const deed of Object.values(DEEDS)) t.equal((await deed(a, root, root)).status, 409)
    const events = await db.selectFrom('audit_events').select('action').where('user_id', '=', root.id).where('action', 'like', 'user.%').execute()
    t.same(events, [{ action: 'user.registered' }])
  })

  for (const [what, deed] of Object.entries(DEEDS)) {
    t.test(`${what}: of two admins who do it to each other at once one stays, in ${ROUNDS} rounds`, async (t) => {
      const seen = new Map<number, number>()
      for (let round = 0; round < ROUNDS; round++) {
        const [one, two] = await onlyAdmins(2)
        if (one === undefined || two === undefined) throw new Error('There are two.')
        // Remembered, so that neither waits for the database before the deed itself.
        await Promise.all([a.as(one)('getMe', { expect: 200 }), b.as(two)('getMe', { expect: 200 })])
        const first = deed(a, one, two)
        for (let turn = 0; turn < round % 4; turn++) await setImmediate()
        const answers = await Promise.all([first, deed(b, two, one)])
        const statuses = answers.map(({ status }) => status)
        for (const status of statuses) seen.set(status, (seen.get(status) ?? 0) + 1)
        t.equal(statuses.filter((status) => status === 200 || status === 204).length, 1, answers.map(({ text }) => text).join())
        t.ok(
          statuses.every((status) => [200, 204, 401, 403, 409].includes(status)),
          statuses.join(),
        )
        t.equal((await inCharge()).length, 1)
      }
      if (!EMBEDDED) t.ok((seen.get(409) ?? 0) > 0, `they did meet: ${JSON.stringify([...seen])}`)
    })

    t.test(`${what}: of two admins who do it to themselves at once one stays, in ${ROUNDS} rounds`, async (t) => {
      for (let round = 0; round < ROUNDS; round++) {
        const [one, two] = await onlyAdmins(2)
        if (one === undefined || two === undefined) throw new Error('There are two.')
        const answers = await Promise.all([deed(a, one, one), (what === 'delete' ? leave : deed)(b, two, two)])
        t.same(answers.map(({ status }) => status === 409).toSorted(), [false, true], answers.map(({ text }) => text).join())
        t.equal((await inCharge()).length, 1)
      }
    })
  }

  t.test(`four admins do all of it to one another at once: one stays, and nothing fails as a defect, in ${ROUNDS} rounds`, async (t) => {
    const deeds = Object.values(DEEDS)
    for (let round = 0; round < ROUNDS; round++) {
      const admins = await onlyAdmins(4)
      const answers = await Promise.all(
        admins.flatMap((actor, n) =>
          admins.map((target, m) => (deeds[(n + m + round) % deeds.length] ?? demote)((n + m) % 2 ? a : b, actor, target)),
        ),
      )
      t.same(
        // On a slow machine the last of sixteen in a row may give up waiting, which is a 503.
        answers.filter(({ status }) => status === 500).map(({ text }) => text),
        [],
      )
      t.ok((await inCharge()).length >= 1)
    }
  })
})
