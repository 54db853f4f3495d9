/**
 * What must compile and what must not: an expected error that does not come up is an error. `npm run types` checks it against the sources, and
 * package.test.ts against the declarations of the package, under the settings of several users. It is never run.
 */
import {
  type Answer,
  type Call,
  createDocket,
  DocketConnectionError,
  DocketError,
  type Page,
  type ProblemCode,
  type Task,
  type TaskList,
  type Tokens,
  type Versioned,
} from '../../sdk/src/index.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_proof: Same<A, B>) => undefined

const baseUrl = 'https://docket.example.com'

export function creating() {
  createDocket({ baseUrl })
  createDocket({ baseUrl, username: 'ada', password: 'x' })
  createDocket({ baseUrl, username: 'ada', password: 'x', scope: 'tasks:read', token: 'x', refreshToken: 'y' })
  createDocket({ baseUrl, token: 'x', refreshToken: 'y', maxRetries: 0, timeout: 1000, fetch, onTokens: (tokens) => void tokens?.refreshToken })
  createDocket({ baseUrl, onTokens: async (tokens: Tokens | undefined) => void tokens, fetch: async (request) => fetch(request.url) })
  // @ts-expect-error: it has to be somewhere
  createDocket({ username: 'ada', password: 'x' })
  // @ts-expect-error: a username without a password
  createDocket({ baseUrl, username: 'ada' })
  // @ts-expect-error: a password without a username
  createDocket({ baseUrl, password: 'x' })
  // @ts-expect-error: a scope is asked for with a password
  createDocket({ baseUrl, token: 'x', scope: 'tasks:read' })
  // @ts-expect-error: there is no such option
  createDocket({ baseUrl, retries: 2 })
}

export async function calling() {
  const docket = createDocket({ baseUrl })
  same<Awaited<ReturnType<typeof docket.tasks.create>>, Task>(true)
  const task = await docket.tasks.create({ title: 'Buy milk', dueDate: '2026-02-01', priority: 'high', categories: ['home'] })
  same<typeof task, Task>(true)
  // @ts-expect-error: a task has no such field
  void task.owner
  // @ts-expect-error: a title is needed
  docket.tasks.create({ description: 'Milk' })
  // @ts-expect-error: a new task has no such field
  docket.tasks.create({ title: 'Milk', owner: 'ada' })
  // @ts-expect-error: a list is named by the call
  docket.tasks.createIn('id', { title: 'Milk', listId: 'id' })
  // @ts-expect-error: there is no such priority
  docket.tasks.update(task.id, { priority: 'urgent' })
  // @ts-expect-error: a title cannot be cleared
  docket.tasks.update(task.id, { title: null })
  docket.tasks.update(task.id, { description: null })
  // @ts-expect-error: the id comes first
  docket.tasks.update({ completed: true })
  // @ts-expect-error: there is no such filter
  docket.tasks.list({ done: true })
  // @ts-expect-error: several priorities are a list
  docket.tasks.list({ priority: 'high' })
  // @ts-expect-error: there is no such order
  docket.tasks.list({ sort: 'dueDate' })
  // @ts-expect-error: there is no such operation
  docket.tasks.archive(task.id)
  // @ts-expect-error: there is no such group
  void docket.attachments
  // @ts-expect-error: a deletion answers nothing
  void (await docket.tasks.delete(task.id)).id
  // @ts-expect-error: the grant type is one of two
  docket.auth.createToken({ grant_type: 'client_credentials' })
}

export async function paging() {
  const docket = createDocket({ baseUrl })
  for await (const task of docket.tasks.list({ completed: false })) same<typeof task, Task>(true)
  for await (const page of docket.lists.list().pages()) same<typeof page, Page<TaskList>>(true)
  const { items, nextCursor } = await docket.tasks.list()
  same<typeof nextCursor, string | null>(true)
  same<(typeof items)[number], Task>(true)
  // @ts-expect-error: one task is no listing
  for await (const _ of docket.tasks.get('id')) return
}

export async function versions() {
  const docket = createDocket({ baseUrl })
  const { data, etag } = await docket.tasks.get('id').withResponse()
  same<typeof data, Task>(true)
  same<typeof etag, string>(true)
  docket.tasks.update('id', { completed: true }, { ifMatch: etag })
  docket.lists.delete('id', { ifMatch: etag })

  const fresh = docket.tasks.get('id', { ifNoneMatch: etag })
  same<typeof fresh, Call<Versioned<Task | undefined>>>(true)
  // @ts-expect-error: there may be nothing new
  void (await fresh).title
  const me = await docket.users.getMe().withResponse()
  // @ts-expect-error: a profile has no versions
  void me.etag
  // @ts-expect-error: nor can it be changed under that condition
  docket.users.updateMe({ timeZone: 'UTC' }, { ifMatch: etag })
  // @ts-expect-error: a creation depends on no version
  docket.tasks.create({ title: 'Milk' }, { ifMatch: etag })
  // @ts-expect-error: reading is conditional on another version than the one at hand
  docket.tasks.get('id', { ifMatch: etag })
  // @ts-expect-error: an answer is not for changing
  me.status = 500
  same<typeof me extends Answer<unknown> ? true : false, true>(true)
}

export async function failing() {
  const docket = createDocket({ baseUrl })
  try {
    await docket.tasks.get('id', { signal: AbortSignal.timeout(1000), timeout: 500, maxRetries: 0, requestId: 'from-my-app' })
    // @ts-expect-error: there is no such option
    await docket.tasks.get('id', { retries: 3 })
  } catch (error) {
    if (error instanceof DocketError) {
      same<typeof error.code, ProblemCode | undefined>(true)
      if (error.code === 'PRECONDITION_FAILED') void error.headers.get('etag')
      // @ts-expect-error: there is no such code
      if (error.code === 'NOT_FUN') return
      for (const { in: part, path, message } of error.errors) void [part, path, message]
    }
    if (error instanceof DocketConnectionError) void error.cause
  }
}
