import t from 'tap'
import { startApp } from '../support/app.ts'

t.test('conditional requests on lists', async (t) => {
  const { as, register } = await startApp(t)
  const ada = await register()
  const create = async () => {
    const { body, headers } = await as(ada)('createList', { body: { title: 'x' }, expect: 201 })
    return { params: { listId: body.id }, etag: headers.get('etag') ?? '' }
  }
  /** Headers that match the tag, each for a reason of its own. */
  const matching = (etag: string) => [etag, '*', ` ${etag} `, `"other", ${etag}`, `${etag},"other"`, `W/"other" , ${etag}`, `"",${etag}`]
  const MISMATCHING = ['"0"', '"77"', '"x"', '""', '"01"', '"99999999999"', '"-1"', '"a", "b"']
  const MALFORMED = ['1', 'x', '"a" "b"', 'w/"1"', 'W/', '"a",', ',"a"', '**', '*, "a"', '"a b"', '"1', "'1'"]

  t.test('getList: 304 when If-None-Match names the ETag, weakly or not', async (t) => {
    const { params, etag } = await create()
    for (const tag of [...matching(etag), `W/${etag}`, `"x", W/${etag}`]) {
      const { text, headers } = await as(ada)('getList', { params, headers: { 'If-None-Match': tag }, expect: 304 })
      t.equal(text, '', tag)
      t.equal(headers.get('etag'), etag, tag)
    }
  })

  t.test('getList: 200 when If-None-Match names another', async (t) => {
    const { params, etag } = await create()
    for (const tag of MISMATCHING) {
      const { headers } = await as(ada)('getList', { params, headers: { 'If-None-Match': tag }, expect: 200 })
      t.equal(headers.get('etag'), etag, tag)
    }
    await as(ada)('updateList', { params, body: { title: 'y' }, expect: 200 })
    const { body } = await as(ada)('getList', { params, headers: { 'If-None-Match': etag }, expect: 200 })
    t.equal(body.title, 'y')
  })

  t.test('getList: 200 for the ETag from before a task came into the list', async (t) => {
    const { params, etag } = await create()
    await as(ada)('createListTask', { params, body: { title: 'x' }, expect: 201 })
    const { body } = await as(ada)('getList', { params, headers: { 'If-None-Match': etag }, expect: 200 })
    t.equal(body.openTasks, 1)
  })

  t.test('updateList: 200 when If-Match names the ETag, and the answer has the next one', async (t) => {
    const { params, etag } = await create()
    const seen = new Set([etag])
    let current = etag
    for (let index = 0; index < matching('').length; index++) {
      const { headers } = await as(ada)('updateList', {
        params,
        body: { title: `${index}` },
        headers: { 'If-Match': String(matching(current)[index]) },
        expect: 200,
      })
      current = headers.get('etag') ?? ''
      t.notOk(seen.has(current))
      seen.add(current)
      t.equal((await as(ada)('getList', { params, expect: 200 })).headers.get('etag'), current)
    }
  })

  t.test('updateList and deleteList: 412 when If-Match names another or is weak, and nothing changes', async (t) => {
    const { params, etag } = await create()
    const before = (await as(ada)('getList', { params, expect: 200 })).body
    for (const tag of [...MISMATCHING, `W/${etag}`, `W/${etag}, "x"`, `W/"x", W/${etag}`]) {
      const { body } = await as(ada)('updateList', { params, body: { title: 'y' }, headers: { 'If-Match': tag }, expect: 412 })
      t.match(body, { code: 'PRECONDITION_FAILED' }, tag)
      await as(ada)('deleteList', { params, headers: { 'If-Match': tag }, expect: 412 })
    }
    t.same((await as(ada)('getList', { params, expect: 200 })).body, before)
  })

  t.test('deleteList: 204 when If-Match names the ETag', async (t) => {
    for (let index = 0; index < matching('').length; index++) {
      const { params, etag } = await create()
      const tags = String(matching(etag)[index])
      await as(ada)('deleteList', { params, headers: { 'If-Match': tags }, expect: 204 })
      t.equal((await as(ada)('getList', { params })).status, 404, tags)
    }
  })

  t.test('getList, updateList and deleteList: 400 for a header that holds no entity tags', async (t) => {
    const { params } = await create()
    const before = (await as(ada)('getList', { params, expect: 200 })).body
    for (const tag of [...MALFORMED, `"${'a'.repeat(1024)}"`]) {
      const { body } = await as(ada)('getList', { params, headers: { 'If-None-Match': tag }, expect: 400 })
      t.match(body, { code: 'MALFORMED_REQUEST', errors: [{ in: 'header', path: '/if-none-match' }] }, tag)
      await as(ada)('updateList', { params, body: { title: 'y' }, headers: { 'If-Match': tag }, expect: 400 })
      await as(ada)('deleteList', { params, headers: { 'If-Match': tag }, expect: 400 })
    }
    t.same((await as(ada)('getList', { params, expect: 200 })).body, before)
  })

  t.test('updateList and deleteList: 404 whatever If-Match says, when there is no such list', async (t) => {
    const { params, etag } = await create()
    await as(ada)('deleteList', { params, expect: 204 })
    for (const tag of [etag, '*', '"77"', `W/${etag}`]) {
      const { body } = await as(ada)('updateList', { params, body: { title: 'y' }, headers: { 'If-Match': tag }, expect: 404 })
      t.match(body, { detail: 'There is no such list.' })
      await as(ada)('deleteList', { params, headers: { 'If-Match': tag }, expect: 404 })
    }
  })

  t.test('updateList: 200 to one of 20 requests at once with the same If-Match, 412 to the others', async (t) => {
    const { params, etag } = await create()
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => as(ada)('updateList', { params, body: { title: `${index}` }, headers: { 'If-Match': etag } })),
    )
    t.same(answers.map(({ status }) => status).sort(), [200, ...Array(19).fill(412)])
    const [winner] = answers.filter(({ status }) => status === 200)
    t.same((await as(ada)('getList', { params, expect: 200 })).body, winner?.body)
  })
})
