import t from 'tap'
import { deriveKeys } from '../src/keys.ts'
import { SealedBytes } from '../src/sealed-bytes.ts'

const [OLD, NEW] = ['q9Wf3kTz7LxV1mPbR8sYcD2gH5jN6uEa', 'L2dVx8Rt5WmXk6Qz9PyHjBgfNcUsA7e4']
const sealedBy = (...secrets: [string, ...string[]]) => new SealedBytes(deriveKeys(secrets).idempotencyAnswer)
const content = Buffer.from('dkt_secret')

t.test('sealed bytes', async (t) => {
  const sealed = sealedBy(OLD).seal(content, 'here')

  t.test('open in their place, with any key of the ring', async (t) => {
    t.same(sealedBy(OLD).open(sealed, 'here'), content)
    t.same(sealedBy(NEW, OLD).open(sealed, 'here'), content)
    t.same(sealedBy(OLD).open(sealedBy(OLD).seal(Buffer.alloc(0), 'here'), 'here'), Buffer.alloc(0))
  })

  t.test('are other bytes each time, and show nothing of the content', async (t) => {
    const again = sealedBy(OLD).seal(content, 'here')
    t.notSame(again, sealed)
    t.equal(again.length, sealed.length)
    t.equal(sealed.indexOf('dkt'), -1)
  })

  t.test('are nothing without their key', async (t) => {
    t.equal(sealedBy(NEW).open(sealed, 'here'), undefined)
    t.equal(sealedBy(OLD).open(Buffer.alloc(0), 'here'), undefined)
  })

  t.test('do not open in another place, nor under another purpose', async (t) => {
    t.throws(() => sealedBy(OLD).open(sealed, 'there'))
    t.throws(() => new SealedBytes(deriveKeys([OLD]).mailToken).open(sealed, 'here'))
  })

  t.test('do not open when any byte was changed, or one is missing', async (t) => {
    for (const index of sealed.keys()) {
      const changed = Buffer.from(sealed)
      changed[index] = (changed[index] ?? 0) ^ 1
      // The first eight say which key it is.
      if (index < 8) t.equal(sealedBy(OLD).open(changed, 'here'), undefined)
      else t.throws(() => sealedBy(OLD).open(changed, 'here'))
    }
    for (let length = 8; length < sealed.length; length += 1) t.throws(() => sealedBy(OLD).open(sealed.subarray(0, length), 'here'))
  })
})
