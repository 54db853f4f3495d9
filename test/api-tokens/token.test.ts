import { createHash, randomUUID } from 'node:crypto'
import { assert, bigInt, property, stringMatching } from 'fast-check'
import t from 'tap'
import { newApiToken, readApiToken } from '../../src/api-tokens/token.ts'
import { checksumOf } from './checksum.ts'

const FORM = /^dkt_[0-9A-Za-z]{92}$/
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const NIL = '00000000-0000-0000-0000-000000000000'
const MAX = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/** An id of any 128 bits, those that begin with many zeros among them. */
const ids = bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((bits) =>
  bits
    .toString(16)
    .padStart(32, '0')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
)

t.test('API tokens in their form', async (t) => {
  t.test('what is written is what is read', async (t) => {
    assert(
      property(ids, ids, (userId, tokenId) => {
        const { token, secretHash } = newApiToken(userId, tokenId)
        const read = readApiToken(token)
        return FORM.test(token) && read?.userId === userId && read.tokenId === tokenId && read.secretHash.equals(secretHash)
      }),
      { numRuns: 500 },
    )
    for (const [userId, tokenId] of [
      [NIL, NIL],
      [NIL, MAX],
      [MAX, NIL],
      [MAX, MAX],
      ['00000000-0000-0000-0000-000000000001', NIL],
    ] as const) {
      t.match(readApiToken(newApiToken(userId, tokenId).token), { userId, tokenId })
    }
  })

  t.test('the hash is the SHA-256 of the 43 characters of the secret, which are new each time', async (t) => {
    const [userId, tokenId] = [randomUUID(), randomUUID()]
    const tokens = Array.from({ length: 50 }, () => newApiToken(userId, tokenId))
    for (const { token, secretHash } of tokens) {
      t.same(createHash('sha256').update(token.slice(47, 90)).digest(), secretHash)
      t.equal(token.slice(0, 47), tokens[0]?.token.slice(0, 47))
    }
    t.equal(new Set(tokens.map(({ token }) => token)).size, 50)
  })

  t.test('another character at any place is found out by the checksum', async (t) => {
    const { token } = newApiToken(randomUUID(), randomUUID())
    for (let place = 0; place < token.length; place++) {
      for (const other of ALPHABET) {
        if (other !== token[place]) t.equal(readApiToken(token.slice(0, place) + other + token.slice(place + 1)), undefined, `${other} at ${place}`)
      }
    }
  })

  t.test('swapped neighbours are found out as well', async (t) => {
    const { token } = newApiToken(randomUUID(), randomUUID())
    for (let place = 4; place < token.length - 1; place++) {
      const swapped = token.slice(0, place) + token[place + 1] + token[place] + token.slice(place + 2)
      if (swapped !== token) t.equal(readApiToken(swapped), undefined)
    }
  })

  t.test('whatever has another form is none, and never an error', async (t) => {
    const { token } = newApiToken(randomUUID(), randomUUID())
    for (const other of [
      '',
      'dkt_',
      token.slice(4),
      token.slice(0, -1),
      `${token}0`,
      ` ${token}`,
      `${token}\n`,
      token.toUpperCase(),
      token.toLowerCase(),
    ])
      t.equal(readApiToken(other), undefined, JSON.stringify(other))
    for (const character of ['-', '_', '+', '/', '=', ' ', 'é', '\u0000', '\u0660', '\uff10']) {
      t.equal(readApiToken(token.slice(0, 20) + character + token.slice(21)), undefined, JSON.stringify(character))
    }
    assert(
      property(stringMatching(FORM), (text) => readApiToken(text) === undefined),
      { numRuns: 500 },
    )
  })

  t.test('ids that are too large for 32 bytes are none, even with a checksum of their own', async (t) => {
    const { token } = newApiToken(MAX, MAX)
    const largest = token.slice(4, 47)
    t.match(readApiToken(token), { userId: MAX, tokenId: MAX })
    for (const tooLarge of [successor(largest), 'z'.repeat(43)]) {
      const text = `dkt_${tooLarge}${token.slice(47, 90)}`
      t.equal(readApiToken(text + checksumOf(text)), undefined)
    }
    const text = token.slice(0, 90)
    t.equal(checksumOf(text), token.slice(90), 'the checksum of this test is the right one')
  })
})

/** The next greater number of as many digits. */
function successor(digits: string): string {
  const place = [...digits].findLastIndex((digit) => digit !== 'z')
  return digits.slice(0, place) + ALPHABET[ALPHABET.indexOf(digits[place] ?? '') + 1] + '0'.repeat(digits.length - place - 1)
}
