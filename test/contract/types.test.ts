import t from 'tap'
import type { components } from '../../generated/api.ts'
import { respond } from '../../src/contract/responses.ts'
import type { Handler, Handlers, HandlersOf, OperationId, RequestOf, Respond } from '../../src/contract/types.ts'
import type { ProblemCode } from '../../src/problem.ts'
import type { Caller } from '../support/client.ts'
import { spec } from '../support/contract-check.ts'

/**
 * What must not compile. The check is `npm run types`: an expected error that does not come up is an error. The code runs as well, as far as
 * it can, so that what the types let through is seen to arrive.
 */
const task: components['schemas']['Task'] = {
  id: '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10',
  listId: '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f11',
  title: 'Milk',
  description: null,
  completed: false,
  completedAt: null,
  priority: 'medium',
  categories: [],
  dueDate: null,
  dueAt: null,
  timeZone: null,
  createdAt: '2026-01-31T09:30:00.000Z',
  updatedAt: '2026-01-31T09:30:00.000Z',
}
const { title: _, ...untitled } = task
const etag = { headers: { ETag: '"1"' } }
const located = { headers: { ETag: '"1"', Location: '/api/v1/tasks/1' } }
const respondTo = <Id extends OperationId>() => respond as unknown as Respond<Id>

const getTask: Handler<'getTask'> = async ({ params, user }, answer) => answer(200, { ...task, id: params.taskId, listId: user.id }, etag)

export const HANDLERS_THAT_DO_NOT_COMPILE: readonly unknown[] = [
  // @ts-expect-error: a forgotten answer
  (async () => undefined) satisfies Handler<'getTask'>,
  // @ts-expect-error: an answer that nobody waits for
  ((_request, answer) => void answer(204)) satisfies Handler<'deleteTask'>,
  // @ts-expect-error: an answer that was not made by respond
  (async () => ({ status: 200, body: task, headers: etag.headers })) satisfies Handler<'getTask'>,
  // @ts-expect-error: nobody is known in a public operation
  (async ({ user }, answer) => answer(200, { status: user.id === '' ? 'ok' : 'ok' })) satisfies Handler<'getLiveness'>,
  // @ts-expect-error: a parameter that the path does not have
  (async ({ params }, answer) => answer(params.listId === '' ? 204 : 204)) satisfies Handler<'deleteTask'>,
  // @ts-expect-error: a field that the body does not have
  (async ({ body }, answer) => answer(201, { ...task, title: body.owner }, located)) satisfies Handler<'createTask'>,
  // @ts-expect-error: a query parameter that is not described
  (async ({ query }, answer) => answer(200, { items: [], nextCursor: query.page })) satisfies Handler<'listTasks'>,
  // @ts-expect-error: a filter may be absent
  (async ({ query }, answer) => answer(200, { items: [], nextCursor: query.q })) satisfies Handler<'listTasks'>,
  // A parameter with a default is there.
  (async ({ query }, answer) => answer(200, { items: [], nextCursor: query.sort })) satisfies Handler<'listTasks'>,
  // @ts-expect-error: there is no such operation
  (async (_request, answer) => answer(204)) satisfies Handler<'flyToTheMoon'>,
  // @ts-expect-error: the tag has more operations than none
  {} satisfies HandlersOf<'tasks'>,
  // @ts-expect-error: the tag has one operation only
  { getTask, listUsers: async () => undefined as never } satisfies HandlersOf<'admin'>,
  // @ts-expect-error: the table has more operations than one
  { getTask } satisfies Handlers,
]

t.test('respond takes what the document describes and nothing else', async (t) => {
  const getTask = respondTo<'getTask'>()
  t.same(getTask(200, task, etag), { status: 200, body: task, headers: etag.headers })

  // @ts-expect-error: the document knows no 202 here
  getTask(202, task, etag)
  // @ts-expect-error: a problem is thrown, not answered
  getTask(404, { code: 'NOT_FOUND' })
  // @ts-expect-error: 304 follows from the ETag
  getTask(304)
  // @ts-expect-error: an extra property
  getTask(200, { ...task, owner: 'ada' }, etag)
  // @ts-expect-error: a missing property
  getTask(200, untitled, etag)
  // @ts-expect-error: a property of another type
  getTask(200, { ...task, completed: 'no' }, etag)
  // @ts-expect-error: a value that the enum does not have
  getTask(200, { ...task, priority: 'urgent' }, etag)
  // @ts-expect-error: null where it may not be
  getTask(200, { ...task, title: null }, etag)
  // @ts-expect-error: no headers
  getTask(200, task)
  // @ts-expect-error: a missing header
  getTask(200, task, { headers: {} })
  // @ts-expect-error: a header that is not described
  getTask(200, task, { headers: { ...etag.headers, Location: '/' } })
  // @ts-expect-error: no body
  getTask(200)
  // @ts-expect-error: a header that the server itself sends
  getTask(200, task, { headers: { ...etag.headers, 'Cache-Control': 'no-store' } })

  const deleteTask = respondTo<'deleteTask'>()
  t.same(deleteTask(204), { status: 204, body: undefined, headers: undefined })
  // @ts-expect-error: a body where there is none
  deleteTask(204, {})
  // @ts-expect-error: the answer of another operation
  deleteTask(200, task, etag)
  // @ts-expect-error: createTask must say where the task is
  respondTo<'createTask'>()(201, task, etag)
})

t.test('a handler is given what the document describes', async (t) => {
  const request = { params: { taskId: task.id }, user: { id: task.listId } } as unknown as RequestOf<'getTask'>
  t.match(await getTask(request, respondTo<'getTask'>()), { status: 200, body: task })
})

t.test('a test calls what the document describes', async (t) => {
  const calls: unknown[] = []
  const as = (async (...call: unknown[]) => calls.push(call)) as unknown as Caller
  await as('getTask', { params: { taskId: task.id }, expect: 200 })
  await as('getLiveness')
  t.equal(calls.length, 2)

  // @ts-expect-error: there is no such operation
  await as('flyToTheMoon')
  // @ts-expect-error: the path needs an id
  await as('getTask')
  // @ts-expect-error: the body needs a title
  await as('createTask', { body: { description: 'Milk' } })
  // @ts-expect-error: the body has no such field
  await as('createTask', { body: { title: 'Milk', owner: 'ada' } })
  // @ts-expect-error: the status is not described
  await as('getTask', { params: { taskId: task.id }, expect: 202 })
  t.equal(calls.length, 7)
})

t.test('the codes of problems are those of the document', async (t) => {
  const documented = spec.document.components.schemas['ProblemCode']?.['enum'] as components['schemas']['ProblemCode'][]
  const known: ProblemCode[] = documented
  const again: typeof documented = known
  t.ok(again.includes('NOT_FOUND'))
})
