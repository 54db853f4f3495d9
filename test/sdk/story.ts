import type { Sdk } from './installed.ts'

/** What a program does with Docket from the first to the last call, and what came of it. It runs in Node.js and, from its source text, in a browser. */
export async function story({ createDocket, DocketConnectionError, DocketError }: Sdk, baseUrl: string, nowhere: string) {
  const fate = (work: PromiseLike<unknown>) =>
    work.then(
      () => 'fulfilled',
      (error: unknown) =>
        error instanceof DocketError ? `${error.status} ${error.code}` : error instanceof DocketConnectionError ? error.name : error,
    )
  const username = `ada-${Date.now()}`
  const docket = createDocket({ baseUrl })
  const beforeRegistration = await fate(docket.users.getMe())
  const { user } = await docket.auth.register({ username, email: `${username}@example.com`, password: 'correct horse battery staple' })
  const me = await docket.users.getMe()
  const { timeZone } = await docket.users.updateMe({ timeZone: 'Europe/Berlin' })

  const list = await docket.lists.create({ title: 'Groceries' })
  for (let number = 1; number <= 25; number++) await docket.tasks.createIn(list.id, { title: `${number}`, categories: ['home'] })
  const titles: string[] = []
  for await (const { title } of docket.tasks.listIn(list.id, { sort: 'createdAt', limit: 10 })) titles.push(title)
  const pageSizes: number[] = []
  for await (const { items } of docket.tasks.list({ category: ['home'], completed: false, limit: 10 }).pages()) pageSizes.push(items.length)
  const { items, nextCursor } = await docket.tasks.list({ sort: 'createdAt', limit: 24 })
  const rest = await docket.tasks.list({ sort: 'createdAt', limit: 24, cursor: nextCursor ?? '' })
  const categories = await docket.tasks.listCategories()
  const listTitles: string[] = []
  for await (const { title } of docket.lists.list({ limit: 1 })) listTitles.push(title)

  const created = await docket.tasks.create({ title: 'Buy milk' }).withResponse()
  const read = await docket.tasks.get(created.data.id).withResponse()
  const updated = await docket.tasks.update(created.data.id, { completed: true }, { ifMatch: created.etag }).withResponse()
  const conflict = await fate(docket.tasks.update(created.data.id, { title: 'Buy oat milk' }, { ifMatch: created.etag }))
  const unchanged = await docket.tasks.get(created.data.id, { ifNoneMatch: updated.etag }).withResponse()
  const again = await docket.tasks.get(created.data.id, { ifNoneMatch: created.etag })
  const invalid = await docket.tasks.create({ title: ' ' }).catch((error: unknown) => error)
  const forbidden = await fate(docket.admin.listUsers())

  const abort = new AbortController()
  const reason = new Error('changed my mind')
  const aborted = fate(docket.tasks.list({}, { signal: abort.signal }))
  abort.abort(reason)

  const deleted = await docket.tasks.delete(created.data.id, { ifMatch: updated.etag }).withResponse()
  const gone = await fate(docket.tasks.get(created.data.id))
  await docket.lists.delete(list.id)
  await docket.auth.logout()
  const afterLogout = await fate(docket.users.getMe())
  return {
    beforeRegistration,
    registered: user.username === username && me.id === user.id,
    timeZone,
    titles: titles.join(' '),
    pageSizes,
    parts: [items.length, rest.items.length, rest.nextCursor],
    categories: categories.items,
    listTitles,
    created: [created.status, created.data.title, typeof created.requestId],
    sameEtag: read.etag === created.etag,
    updated: [updated.status, updated.data.completed, updated.etag === created.etag],
    conflict,
    unchanged: [unchanged.status, unchanged.data, unchanged.etag === updated.etag],
    again: again?.completed,
    invalid: invalid instanceof DocketError && { ...invalid, message: invalid.message, body: 0, headers: 0, requestId: typeof invalid.requestId },
    forbidden,
    aborted: (await aborted) === reason,
    deleted: [deleted.status, deleted.data],
    gone,
    afterLogout,
    health: await docket.health.getLiveness(),
    ready: (await docket.health.getReadiness()).status,
    unreachable: await fate(createDocket({ baseUrl: nowhere, maxRetries: 0 }).health.getLiveness()),
  }
}

/** What comes of it, wherever it runs. */
export const OUTCOME: Awaited<ReturnType<typeof story>> = {
  beforeRegistration: '401 UNAUTHENTICATED',
  registered: true,
  timeZone: 'Europe/Berlin',
  titles: Array.from({ length: 25 }, (_, index) => index + 1).join(' '),
  pageSizes: [10, 10, 5],
  parts: [24, 1, null],
  categories: [{ name: 'home', openTasks: 25, completedTasks: 0 }],
  listTitles: ['Inbox', 'Groceries'],
  created: [201, 'Buy milk', 'string'],
  sameEtag: true,
  updated: [200, true, false],
  conflict: '412 PRECONDITION_FAILED',
  unchanged: [304, undefined, true],
  again: true,
  invalid: {
    name: 'DocketError',
    message: 'Validation failed: The request body has 1 invalid field. (body /title must not be blank)',
    status: 422,
    code: 'VALIDATION_FAILED',
    title: 'Validation failed',
    detail: 'The request body has 1 invalid field.',
    errors: [{ in: 'body', path: '/title', code: 'minLength', message: 'must not be blank' }],
    requestId: 'string',
    body: 0,
    headers: 0,
  },
  forbidden: '403 FORBIDDEN',
  aborted: true,
  deleted: [204, undefined],
  gone: '404 NOT_FOUND',
  afterLogout: '401 UNAUTHENTICATED',
  health: { status: 'ok' },
  ready: 'healthy',
  unreachable: 'DocketConnectionError',
}
