import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { KeyedRequest } from '../../src/contract/types.ts'
import { tryLockRequest } from '../../src/idempotency/queries.ts'
import { EMBEDDED, PASSWORD } from '../support/app.ts'
import { startInstances } from '../support/instances.ts'

/** On the embedded database each waits for the one before. */
const [KEYS, CALLS] = EMBEDDED ? [10, 10] : [100, 20]
const KEYS_AT_ONCE = 5

t.test('requests with one Idempotency-Key at the same time', async (t) => {
  const [a, b] = await startInstances(t)
  const { register, context } = a
  const { db } = context
  const ada = await register()

  t.test('409 on every instance while one of them carries it out', { skip: EMBEDDED && 'the second waits for the first' }, async (t) => {
    const key = randomUUID()
    const request: KeyedRequest = { userId: ada.id, operation: 'createTask', key, input: {} }
    const create = ({ as }: typeof a) => as(ada)('createTask', { body: { title: 'Busy' }, headers: { 'Idempotency-Key': key } })
    await context.patientDb.transaction().execute(async (trx) => {
      t.equal(await tryLockRequest(trx, request), true)
      for (const instance of [a, b]) {
        const { status, body, headers } = await create(instance)
        t.match({ status, body }, { status: 409, body: { code: 'IDEMPOTENCY_IN_PROGRESS' } })
        t.equal(headers.get('retry-after'), '1')
      }
      const other = await a.as(ada)('createTask', { body: { title: 'Free' }, headers: { 'Idempotency-Key': randomUUID() } })
      t.equal(other.status, 201, 'nothing else waits')
    })
    for (const [instance, replayed] of [
      [a, null],
      [b, 'true'],
    ] as const) {
      const { status, headers } = await create(instance)
      t.same([status, headers.get('idempotency-replayed')], [201, replayed])
    }
  })

  t.test(`${KEYS} keys, ${CALLS} times each at once, on two instances: each is carried out once`, async (t) => {
    const statuses = new Map<number, number>()
    const create = async (key: string, { as }: typeof a) => {
      const { status, text, headers } = await as(ada)('createTask', { body: { title: key }, headers: { 'Idempotency-Key': key } })
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      return { status, text, replayed: headers.get('idempotency-replayed') === 'true' }
    }
    /** All at once, and once more those that were told to come back. */
    const createTogether = async (key: string, calls: readonly (typeof a)[]): Promise<Awaited<ReturnType<typeof create>>[]> => {
      const answers = await Promise.all(calls.map((instance) => create(key, instance)))
      const again = calls.filter((_, index) => [409, 503].includes(answers[index]?.status ?? 0))
      const done = answers.filter(({ status }) => status !== 409 && status !== 503)
      return again.length === 0 ? done : [...done, ...(await createTogether(key, again))]
    }
    const expectOnce = async (key: string) => {
      const answers = await createTogether(
        key,
        Array.from({ length: CALLS }, (_, index) => (index % 2 === 0 ? a : b)),
      )
      const first = answers.filter(({ replayed }) => !replayed)
      t.equal(first.length, 1, 'one answer is the first')
      t.same([...new Set(answers.map(({ status, text }) => `${status} ${text}`))], [`201 ${first[0]?.text}`], 'all are the same')
    }
    const keys = Array.from({ length: KEYS }, randomUUID)
    for (let from = 0; from < KEYS; from += KEYS_AT_ONCE) await Promise.all(keys.slice(from, from + KEYS_AT_ONCE).map(expectOnce))

    const tasks = await db.selectFrom('tasks').select('title').where('title', 'in', keys).execute()
    t.same(tasks.map(({ title }) => title).toSorted(), keys.toSorted())
    const records = await db.selectFrom('idempotency_records').select('key').where('key', 'in', keys).execute()
    t.equal(records.length, KEYS)
    t.comment(JSON.stringify(Object.fromEntries(statuses)))
  })

  t.test('passwords are proved with and without a key at the same time: none waits for ever', async (t) => {
    const grace = await register()
    const body = { name: 'Sync', scopes: ['tasks:read' as const], currentPassword: PASSWORD }
    const statuses = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const headers: Record<string, string> = index % 2 === 0 ? { 'Idempotency-Key': randomUUID() } : {}
        return (await (index % 3 === 0 ? b : a).as(grace)('createApiToken', { body, headers })).status
      }),
    )
    t.same(
      [...new Set(statuses)].filter((status) => status !== 503),
      [201],
      statuses.join(),
    )
    const { length } = await db.selectFrom('api_tokens').select('id').where('user_id', '=', grace.id).execute()
    t.equal(length, statuses.filter((status) => status === 201).length)
  })
})
