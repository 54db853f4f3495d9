import fc from 'fast-check'
import t from 'tap'
import { LazyValues } from '../../src/contract/lazy.ts'
import { Serializers } from '../../src/contract/responses.ts'
import type { Answer, Handlers } from '../../src/contract/types.ts'
import { startApp } from '../support/app.ts'
import { textOf } from '../support/client.ts'
import { checkAnswer, operationOf, spec } from '../support/contract-check.ts'
import { bearer, call, createIds, everyHandler, serve } from './walk.ts'

t.test('serialisation', async (t) => {
  const { as, register, context, logged } = await startApp(t)
  const ada = await register()
  const params = await createIds(as(ada))

  /** Every answer with more in it than the document says. */
  const talkative = await serve(
    t,
    context,
    (handlers) =>
      Object.fromEntries(
        Object.entries(handlers).map(([id, handler]) => [
          id,
          async (request: unknown, respond: unknown) => {
            const answer = await (handler as (...call: unknown[]) => Promise<Answer>)(request, respond)
            const more = (value: unknown): unknown => {
              if (Array.isArray(value)) return value.map(more)
              if (typeof value !== 'object' || value === null) return value
              const known = Object.entries(value).map(([name, inner]) => [name, more(inner)])
              return { ...Object.fromEntries(known), password_hash: '$argon2id$', owner_id: ada.id, toJSON: undefined }
            }
            return { ...answer, body: more(answer.body) }
          },
        ]),
      ) as unknown as Handlers,
  )

  t.test('getTask, listTasks, listLists, getMe, login: only declared fields leave, at whatever depth', async (t) => {
    const { username } = ada
    const answers = [
      await call(talkative, 'getTask', ada.accessToken, { params }),
      await call(talkative, 'listTasks', ada.accessToken),
      await call(talkative, 'listLists', ada.accessToken),
      await call(talkative, 'getMe', ada.accessToken),
      await call(talkative, 'getReadiness', undefined),
      await call(talkative, 'login', undefined, { body: { username, password: 'correct horse battery staple' } }),
    ]
    for (const { status, text } of answers) {
      t.equal(status, 200)
      t.notMatch(text, /password_hash|owner_id|argon2/)
    }
    t.match(answers[1]?.body, { items: [{ id: params.taskId }] })
    t.same(answers[0]?.body, (await as(ada)('getTask', { params, expect: 200 })).body)
  })

  t.test('deleteTask: a body that the document does not describe stays here', async (t) => {
    const url = await serve(t, context, (handlers) => everyHandler(handlers, async () => ({ status: 204, body: { secret: 1 } }) as never))
    const { status, text } = await call(url, 'deleteTask', ada.accessToken, { params })
    t.equal(status, 204)
    t.equal(text, '')
  })

  t.test('getTask: 500 for an answer whose status the document does not describe', async (t) => {
    const url = await serve(t, context, (handlers) => everyHandler(handlers, async () => ({ status: 202, body: {} }) as never))
    const { status, body } = await call(url, 'getTask', ada.accessToken, { params })
    t.equal(status, 500)
    t.match(body, { code: 'INTERNAL_ERROR' })
    t.match(
      logged.findLast(({ operation, err }) => operation === 'getTask' && err !== undefined),
      { err: { message: 'getTask answered 202, which openapi.yaml does not describe.' } },
    )
  })

  t.test('getTask: 500 for an answer that lacks a field, instead of half an answer', async (t) => {
    const url = await serve(t, context, (handlers) => everyHandler(handlers, async () => ({ status: 200, body: { id: params.taskId } }) as never))
    t.equal((await call(url, 'getTask', ada.accessToken, { params })).status, 500)
  })

  t.test('nothing is said while serializers are made', async (t) => {
    const warnings = t.capture(console, 'warn')
    const lazy = new LazyValues()
    const serializers = new Serializers(spec.document, lazy)
    for (const { responses } of spec.operations)
      for (const { content = {} } of responses.values()) for (const { schema } of Object.values(content)) serializers.of(schema)
    await lazy.makeAll(() => true)
    t.same(warnings(), [])
  })

  t.test('texts of all kinds leave as JSON says', async (t) => {
    const schema = operationOf('getTask').responses.get(200)?.content?.['application/json']?.schema ?? {}
    const serialize = new Serializers(spec.document).of(schema)
    const { body: task } = await as(ada)('getTask', { params, expect: 200 })
    const text = fc.string({ unit: 'binary', maxLength: 60 })
    fc.assert(
      fc.property(text, fc.option(text), fc.array(text), (title, description, categories) => {
        const value = { ...task, title, description, categories }
        t.strictSame(JSON.parse(serialize(value)), value)
      }),
      { numRuns: 300 },
    )
  })

  t.test('listTasks: the link to the next page keeps filters and order, and replaces the cursor', async (t) => {
    for (const title of ['a', 'b', 'c']) await as(ada)('createTask', { body: { title }, expect: 201 })
    const seen: unknown[] = []
    let path: string | undefined = '/api/v1/tasks?limit=1&sort=-title&completed=false&q=a%20or%20b%20or%20c'
    while (path !== undefined) {
      const response: Response = await fetch(talkative + path, { headers: bearer(ada) })
      const body = await textOf(response)
      checkAnswer('listTasks', response.status, response.headers, body)
      seen.push(JSON.parse(body).items[0].title)
      const link = response.headers.get('link')
      t.equal(link === null, JSON.parse(body).nextCursor === null)
      path = /^<([^>]+)>; rel="next"$/.exec(link ?? '')?.[1]
      if (path !== undefined) t.match(path, /^\/api\/v1\/tasks\?limit=1&sort=-title&completed=false&q=a%20or%20b%20or%20c&cursor=[^&]+$/)
    }
    t.same(seen, ['c', 'b', 'a'])
  })
})
