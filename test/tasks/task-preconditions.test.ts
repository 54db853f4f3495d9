import t from 'tap'
import { startApp } from '../support/app.ts'

t.test('conditional requests on tasks', async (t) => {
  const { as, register } = await startApp(t)
  const ada = await register()
  const create = async () => {
    const { body, headers } = await as(ada)('createTask', { body: { title: 'x' }, expect: 201 })
    return { params: { taskId: body.id }, etag: headers.get('etag') ?? '', listId: body.listId }
  }
  /** Headers that match the tag, each for a reason of its own. */
  const matching = (etag: string) => [etag, '*', ` ${etag} `, `"other", ${etag}`, `${etag},"other"`, `W/"other" , ${etag}`, `"",${etag}`]
  const MISMATCHING = ['"0"', '"77"', '"x"', '""', '"01"', '"99999999999"', '"-1"', '"a", "b"']
  const MALFORMED = ['1', 'x', '"a" "b"', 'w/"1"', 'W/', '"a",', ',"a"', '**', '*, "a"', '"a b"', '"1', "'1'"]

  t.test('getTask: 304 when If-None-Match names the ETag, weakly or not', async (t) => {
    const { params, etag } = await create()
    for (const tag of [...matching(etag), `W/${etag}`, `"x", W/${etag}`]) {
      const { text, headers } = await as(ada)('getTask', { params, headers: { 'If-None-Match': tag }, expect: 304 })
      t.equal(text, '', tag)
      t.equal(headers.get('etag'), etag, tag)
    }
  })

  t.test('getTask: 200 when If-None-Match names another', async (t) => {
    const { params, etag } = await create()
    for (const tag of MISMATCHING) {
      const { headers } = await as(ada)('getTask', { params, headers: { 'If-None-Match': tag }, expect: 200 })
      t.equal(headers.get('etag'), etag, tag)
    }
    await as(ada)('updateTask', { params, body: { title: 'y' }, expect: 200 })
    const { body } = await as(ada)('getTask', { params, headers: { 'If-None-Match': etag }, expect: 200 })
    t.equal(body.title, 'y')
  })

  t.test('getTask: 200 with the same ETag after its list changed', async (t) => {
    const { params, etag, listId } = await create()
    await as(ada)('createListTask', { params: { listId }, body: { title: 'y' }, expect: 201 })
    await as(ada)('updateList', { params: { listId }, body: { title: 'y' }, expect: 200 })
    await as(ada)('getTask', { params, headers: { 'If-None-Match': etag }, expect: 304 })
    const { headers } = await as(ada)('getTask', { params, expect: 200 })
    t.equal(headers.get('etag'), etag)
  })

  t.test('updateTask: 200 when If-Match names the ETag, and the answer has the next one', async (t) => {
    const { params, etag } = await create()
    const seen = new Set([etag])
    let current = etag
    for (let index = 0; index < matching('').length; index++) {
      const { headers } = await as(ada)('updateTask', {
        params,
        body: { title: `${index}` },
        headers: { 'If-Match': String(matching(current)[index]) },
        expect: 200,
      })
      current = headers.get('etag') ?? ''
      t.notOk(seen.has(current))
      seen.add(current)
      t.equal((await as(ada)('getTask', { params, expect: 200 })).headers.get('etag'), current)
    }
  })

  t.test('updateTask and deleteTask: 412 when If-Match names another or is weak, and nothing changes', async (t) => {
    const { params, etag } = await create()
    const before = (await as(ada)('getTask', { params, expect: 200 })).body
    for (const tag of [...MISMATCHING, `W/${etag}`, `W/${etag}, "x"`, `W/"x", W/${etag}`]) {
      const { body } = await as(ada)('updateTask', { params, body: { title: 'y' }, headers: { 'If-Match': tag }, expect: 412 })
      t.match(body, { code: 'PRECONDITION_FAILED' }, tag)
      await as(ada)('deleteTask', { params, headers: { 'If-Match': tag }, expect: 412 })
    }
    t.same((await as(ada)('getTask', { params, expect: 200 })).body, before)
  })

  t.test('deleteTask: 204 when If-Match names the ETag', async (t) => {
    for (let index = 0; index < matching('').length; index++) {
      const { params, etag } = await create()
      const tags = String(matching(etag)[index])
      await as(ada)('deleteTask', { params, headers: { 'If-Match': tags }, expect: 204 })
      t.equal((await as(ada)('getTask', { params })).status, 404, tags)
    }
  })

  t.test('getTask, updateTask and deleteTask: 400 for a header that holds no entity tags', async (t) => {
    const { params } = await create()
    const before = (await as(ada)('getTask', { params, expect: 200 })).body
    for (const tag of [...MALFORMED, `"${'a'.repeat(1024)}"`]) {
      const { body } = await as(ada)('getTask', { params, headers: { 'If-None-Match': tag }, expect: 400 })
      t.match(body, { code: 'MALFORMED_REQUEST', errors: [{ in: 'header', path: '/if-none-match' }] }, tag)
      await as(ada)('updateTask', { params, body: { title: 'y' }, headers: { 'If-Match': tag }, expect: 400 })
      await as(ada)('deleteTask', { params, headers: { 'If-Match': tag }, expect: 400 })
    }
    t.same((await as(ada)('getTask', { params, expect: 200 })).body, before)
  })

  t.test('updateTask and deleteTask: 404 whatever If-Match says, when there is no such task', async (t) => {
    const { params, etag } = await create()
    await as(ada)('deleteTask', { params, expect: 204 })
    for (const tag of [etag, '*', '"77"', `W/${etag}`]) {
      const { body } = await as(ada)('updateTask', { params, body: { title: 'y' }, headers: { 'If-Match': tag }, expect: 404 })
      t.match(body, { detail: 'There is no such task.' })
      await as(ada)('deleteTask', { params, headers: { 'If-Match': tag }, expect: 404 })
    }
  })

  t.test('updateTask: 200 to one of 20 requests at once with the same If-Match, 412 to the others', async (t) => {
    const { params, etag } = await create()
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => as(ada)('updateTask', { params, body: { title: `${index}` }, headers: { 'If-Match': etag } })),
    )
    t.same(answers.map(({ status }) => status).sort(), [200, ...Array(19).fill(412)])
    const [winner] = answers.filter(({ status }) => status === 200)
    t.same((await as(ada)('getTask', { params, expect: 200 })).body, winner?.body)
  })

  t.test('updateTask: 200 to one of 20 requests that move it at once with the same If-Match, and the counts are right', async (t) => {
    const { params, etag, listId } = await create()
    const { body: list } = await as(ada)('createList', { body: { title: 'There' }, expect: 201 })
    const before = (await as(ada)('getList', { params: { listId }, expect: 200 })).body.openTasks
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => as(ada)('updateTask', { params, body: { listId: list.id }, headers: { 'If-Match': etag } })),
    )
    t.same(answers.map(({ status }) => status).sort(), [200, ...Array(19).fill(412)])
    t.equal((await as(ada)('getList', { params: { listId: list.id }, expect: 200 })).body.openTasks, 1)
    t.equal((await as(ada)('getList', { params: { listId }, expect: 200 })).body.openTasks, before - 1)
  })
})
