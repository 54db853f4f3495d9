import fc from 'fast-check'
import t from 'tap'
import { namesTag, strongTags } from '../../src/contract/preconditions.ts'
import { startApp } from '../support/app.ts'

/** An opaque tag of RFC 9110 §8.8.3, without the octets above ASCII. */
const opaque = fc
  .array(
    fc.integer({ min: 0x21, max: 0x7e }).filter((code) => code !== 0x22),
    { maxLength: 8 },
  )
  .map((codes) => `"${String.fromCharCode(...codes)}"`)
const separator = fc.constantFrom(',', ', ', ' ,', ' , ', ',\t')

t.test('preconditions', async (t) => {
  t.test('If-Match: the strong tags of the list; none restricts nothing', async (t) => {
    for (const [header, tags] of [
      [undefined, undefined],
      ['*', undefined],
      [' * ', undefined],
      ['"1"', ['"1"']],
      ['"1", "2"', ['"1"', '"2"']],
      ['"1","2"', ['"1"', '"2"']],
      ['W/"1"', []],
      ['W/"1", "2"', ['"2"']],
      ['""', ['""']],
      ['"a,b"', ['"a,b"']],
      ['"*"', ['"*"']],
      ['"W/"', ['"W/"']],
      ['', []],
    ] as const) {
      t.strictSame(strongTags(header), tags, String(header))
    }
  })

  t.test('If-Match: any list is read back', async (t) => {
    const tag = fc.record({ weak: fc.boolean(), opaque })
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(fc.array(tag, { minLength: 1, maxLength: 5 }), separator, (tags, separator) => {
          const header = tags.map(({ weak, opaque }) => (weak ? `W/${opaque}` : opaque)).join(separator)
          t.strictSame(
            strongTags(header),
            tags.flatMap(({ weak, opaque }) => (weak ? [] : [opaque])),
          )
          for (const { opaque } of tags) t.ok(namesTag(header, opaque))
        }),
      ),
    )
  })

  t.test('If-None-Match: weak or strong, in any place of the list', async (t) => {
    for (const header of ['"7"', 'W/"7"', '*', ' * ', '"1", "7"', '"1",W/"7", "9"']) t.ok(namesTag(header, '"7"'), header)
    for (const header of ['"8"', 'W/"8"', '"77"', '"7', '7', '', '"a7"', '"1", "8"', '**']) t.notOk(namesTag(header, '"7"'), header)
  })

  t.test('over HTTP', async (t) => {
    const { as, register, url } = await startApp(t)
    const ada = await register()
    const { body: task, headers } = await as(ada)('createTask', { body: { title: 'Milk' }, expect: 201 })
    const params = { taskId: task.id }
    const etag = headers.get('etag') ?? ''

    t.test('getTask: 304 without a body where If-None-Match names the version', async (t) => {
      for (const value of [etag, `W/${etag}`, '*', `"x", ${etag}`]) {
        const reply = await as(ada)('getTask', { params, headers: { 'If-None-Match': value }, expect: 304 })
        t.equal(reply.headers.get('etag'), etag)
        t.equal(reply.text, '')
      }
      for (const value of ['"x"', 'W/"x"', '"x", "y"', '""']) {
        t.same((await as(ada)('getTask', { params, headers: { 'If-None-Match': value }, expect: 200 })).body, task)
      }
    })

    t.test('getTask, updateTask, deleteTask: 400 for a list of tags that is none', async (t) => {
      for (const value of ['1', '"1', '1"', 'w/"1"', 'W/1', '"1" "2"', '"1",', '*, "1"', '"a b"', '"ä"', '"1"'.padEnd(1025, ',"1"')]) {
        const ifNoneMatch = await as(ada)('getTask', { params, headers: { 'If-None-Match': value }, expect: 400 })
        t.match(ifNoneMatch.body, { code: 'MALFORMED_REQUEST', errors: [{ in: 'header', path: '/if-none-match' }] }, value)
        const ifMatch = { params, headers: { 'If-Match': value }, expect: 400 } as const
        t.match((await as(ada)('deleteTask', ifMatch)).body, { errors: [{ in: 'header', path: '/if-match' }] }, value)
        t.match((await as(ada)('updateTask', { ...ifMatch, body: { title: 'Oats' } })).body, { code: 'MALFORMED_REQUEST' }, value)
      }
    })

    t.test('updateTask: 412 where If-Match names another version or a weak one, and nothing changes', async (t) => {
      for (const value of ['"999"', '"x"', `W/${etag}`, '""', '"0"', '"-1"', '"1e0"', '"00000000001"', '"999999999999999999999"']) {
        await as(ada)('updateTask', { params, body: { title: 'Oats' }, headers: { 'If-Match': value }, expect: 412 })
        await as(ada)('deleteTask', { params, headers: { 'If-Match': value }, expect: 412 })
      }
      t.same((await as(ada)('getTask', { params, expect: 200 })).body, task)
    })

    t.test('listTasks: If-None-Match changes nothing where the document does not describe it', async (t) => {
      const response = await fetch(`${url}/api/v1/tasks`, { headers: { Authorization: `Bearer ${ada.accessToken}`, 'If-None-Match': '*' } })
      t.equal(response.status, 200)
    })
  })
})
