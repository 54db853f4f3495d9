import { randomBytes } from 'node:crypto'
import t from 'tap'
import { deriveKeys } from '../src/keys.ts'
import { isSealedUnderCurrent, open, prefixOf, seal } from '../src/sealed-bytes.ts'

const [first, second] = [randomBytes(48).toString('base64url'), randomBytes(48).toString('base64url')]
const ringOf = (...secrets: [string, ...string[]]) => deriveKeys(secrets).webhookSecret

t.test('sealed bytes', async (t) => {
  const keys = ringOf(first)
  const plain = Buffer.from('the bytes of a secret')
  const sealed = seal(keys, plain, 'webhook 1')

  t.test('open with the same key for the same context, and differ each time', async (t) => {
    t.same(open(keys, sealed, 'webhook 1'), plain)
    t.same(open(keys, seal(keys, Buffer.alloc(0), ''), ''), Buffer.alloc(0))
    t.notSame(seal(keys, plain, 'webhook 1'), sealed)
    t.notOk(sealed.includes(plain))
  })

  t.test('open for no other context, with no other key, and not when a bit of them is another', async (t) => {
    t.equal(open(keys, sealed, 'webhook 2'), undefined)
    t.equal(open(ringOf(second), sealed, 'webhook 1'), undefined)
    t.equal(open(deriveKeys([first]).mailToken, sealed, 'webhook 1'), undefined, 'a key for another purpose')
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = Buffer.from(sealed)
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      if (open(keys, changed, 'webhook 1') !== undefined) t.fail(`bit ${bit}`)
    }
    for (let length = 0; length < sealed.length; length++) {
      if (open(keys, sealed.subarray(0, length), 'webhook 1') !== undefined) t.fail(`the first ${length} bytes`)
    }
  })

  t.test('open as long as their key is on the ring, and say whether it is the current one', async (t) => {
    t.same(open(ringOf(second, first), sealed, 'webhook 1'), plain)
    t.equal(isSealedUnderCurrent(keys, sealed), true)
    t.equal(isSealedUnderCurrent(ringOf(second, first), sealed), false)
    t.ok(sealed.subarray(0, 8).equals(prefixOf(keys)))
  })
})
