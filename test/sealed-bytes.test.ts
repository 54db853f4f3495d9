import t from 'tap'
import { deriveKeys } from '../src/keys.ts'
import { SealedBytes } from '../src/sealed-bytes.ts'

const [OLD, NEW] = ['q9Wf3kTz7LxV1mPbR8sYcD2gH5jN6uEa', 'L2dVx8Rt5WmXk6Qz9PyHjBgfNcUsA7e4']
const sealedBy = (...secrets: [string, ...string[]]) => new SealedBytes(deriveKeys(secrets).webhookSecret)
const content = Buffer.from('dkt_secret')

t.test('sealed bytes', async (t) => {
  const sealed = sealedBy(OLD).seal(content, 'here')

  t.test('open in their place, with any key of the ring, and say whether it is the current one', async (t) => {
    t.same(sealedBy(OLD).open(sealed, 'here'), content)
    t.same(sealedBy(NEW, OLD).open(new Uint8Array(sealed), 'here'), content)
    t.same(sealedBy(OLD).open(sealedBy(OLD).seal(Buffer.alloc(0), 'here'), 'here'), Buffer.alloc(0))
    t.equal(sealedBy(OLD, NEW).isSealedUnderCurrent(sealed), true)
    t.equal(sealedBy(NEW, OLD).isSealedUnderCurrent(sealed), false)
    t.ok(sealed.subarray(0, 8).equals(sealedBy(OLD).prefix))
  })

  t.test('are other bytes each time, and show nothing of the content', async (t) => {
    const again = sealedBy(OLD).seal(content, 'here')
    t.notSame(again, sealed)
    t.equal(again.length, sealed.length)
    t.equal(sealed.indexOf('dkt'), -1)
  })

  t.test('are nothing without their key, in another place, and under another purpose', async (t) => {
    t.equal(sealedBy(NEW).open(sealed, 'here'), undefined)
    t.equal(sealedBy(OLD).open(sealed, 'there'), undefined)
    t.equal(new SealedBytes(deriveKeys([OLD]).mailToken).open(sealed, 'here'), undefined)
  })

  t.test('are nothing when any bit was changed, or a byte is missing', async (t) => {
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed)
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      if (sealedBy(OLD).open(changed, 'here') !== undefined) t.fail(`bit ${bit}`)
    }
    for (let length = 0; length < sealed.length; length += 1) {
      if (sealedBy(OLD).open(sealed.subarray(0, length), 'here') !== undefined) t.fail(`the first ${length} bytes`)
    }
  })
})
