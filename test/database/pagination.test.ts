import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { Cursors, type Position, pageOf } from '../../src/database/pagination.ts'

const cursors = new Cursors([{ id: 'a', bytes: randomBytes(32) }])
const position: fc.Arbitrary<Position> = fc.record({
  key: fc.option(fc.string({ unit: 'grapheme', maxLength: 255 })),
  id: fc.oneof(fc.uuid(), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 50 })),
})
const owner = fc.string({ unit: 'grapheme', maxLength: 80 })

t.test('cursors', async (t) => {
  t.test('a cursor gives back its position', async (t) => {
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(owner, position, (belongsTo, where) => {
          const { key, id } = cursors.decode(belongsTo, cursors.encode(belongsTo, where)) ?? {}
          return key === where.key && id === where.id
        }),
      ),
    )
  })

  t.test('a cursor is safe in a URL and in a Link header, and at most 4,096 characters long', async (t) => {
    for (const where of [
      { key: '😀'.repeat(255), id: '😀'.repeat(50) },
      { key: '\u0001'.repeat(255), id: '\u001f'.repeat(50) },
      { key: '"\\'.repeat(127), id: 'x' },
    ]) {
      const cursor = cursors.encode('x', where)
      t.match(cursor, /^[A-Za-z0-9_-]{1,4096}$/)
      t.same(cursors.decode('x', cursor), where)
    }
  })

  t.test('a cursor belongs to one listing of one owner in one order', async (t) => {
    const where = { key: 'a', id: 'b' }
    const cursor = cursors.encode('tasks 1  title', where)
    for (const other of [
      'tasks 1  -title',
      'tasks 2  title',
      'tasks 1 2 title',
      'lists 1',
      'tasks 1  title ',
      ' tasks 1  title',
      'tasks 1  title\n',
      '',
    ])
      t.equal(cursors.decode(other, cursor), undefined, other)
    t.same(cursors.decode('tasks 1  title', cursor), where)
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(owner, owner, position, (one, other, there) => {
          fc.pre(one !== other)
          return cursors.decode(other, cursors.encode(one, there)) === undefined
        }),
      ),
    )
  })

  t.test('what a cursor belongs to and its position do not run into one another', async (t) => {
    const cursor = cursors.encode('a', { key: null, id: 'b' })
    const bytes = Buffer.from(cursor, 'base64url')
    const moved = Buffer.concat([bytes.subarray(0, 16), bytes.subarray(17)]).toString('base64url')
    t.equal(cursors.decode(`a\n${String.fromCharCode(bytes[16] ?? 0)}`, moved), undefined)
  })

  t.test('a cursor under another key is none', async (t) => {
    const other = new Cursors([{ id: 'a', bytes: randomBytes(32) }])
    t.equal(other.decode('x', cursors.encode('x', { key: null, id: 'a' })), undefined)
  })

  t.test('a cursor of which any bit is another is none', async (t) => {
    const bytes = Buffer.from(cursors.encode('x', { key: 'milk', id: '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10' }), 'base64url')
    for (let index = 0; index < bytes.length * 8; index++) {
      const tampered = Buffer.from(bytes)
      tampered.writeUInt8(tampered.readUInt8(index >> 3) ^ (1 << (index & 7)), index >> 3)
      t.equal(cursors.decode('x', tampered.toString('base64url')), undefined, `bit ${index}`)
    }
  })

  t.test('a cursor has one spelling', async (t) => {
    // Of 25 bytes: the last character holds four bits that mean nothing.
    const cursor = cursors.encode('x', { key: null, id: '' })
    t.type(cursors.decode('x', cursor), 'object')
    for (const other of [
      `${cursor}=`,
      `${cursor}==`,
      ` ${cursor}`,
      `${cursor}\n`,
      `${cursor}!`,
      cursor.slice(0, -1),
      `${cursor}A`,
      cursor.replace(/.$/, (last) => String.fromCharCode(last.charCodeAt(0) + 1)),
      encodeURIComponent(`${cursor}é`),
    ])
      t.equal(cursors.decode('x', other), undefined, other)
  })

  t.test('no other text is a cursor', async (t) => {
    for (const text of ['', 'A', 'null', '[]', 'A'.repeat(21), 'A'.repeat(22), 'A'.repeat(4096), Buffer.alloc(16).toString('base64url')])
      t.equal(cursors.decode('x', text), undefined, text.slice(0, 30))
    t.doesNotThrow(() => fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => cursors.decode('x', text) === undefined)))
    t.doesNotThrow(() => fc.assert(fc.property(fc.base64String(), (text) => cursors.decode('x', text) === undefined)))
  })
})

t.test('pages', async (t) => {
  const page = (rows: number[], limit: number) =>
    pageOf(
      rows,
      limit,
      (row) => `item ${row}`,
      (row) => `after ${row}`,
    )

  t.test('one row more than the page holds tells that there is another', async (t) => {
    t.same(page([1, 2, 3], 2), { items: ['item 1', 'item 2'], nextCursor: 'after 2' })
    t.same(page([1, 2], 1), { items: ['item 1'], nextCursor: 'after 1' })
  })

  t.test('as many rows as the page holds, or fewer, are the last', async (t) => {
    t.same(page([1, 2], 2), { items: ['item 1', 'item 2'], nextCursor: null })
    t.same(page([1], 2), { items: ['item 1'], nextCursor: null })
    t.same(page([], 2), { items: [], nextCursor: null })
  })
})
