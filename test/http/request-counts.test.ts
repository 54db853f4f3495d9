import t from 'tap'
import { LocalCounts, MOST_KEYS } from '../../src/http/request-counts.ts'

t.test('requests counted in one process', async (t) => {
  let now = 1000
  const counting = () => new LocalCounts(60, () => now)

  t.test('a window begins with a request, and ends when its time is over', async (t) => {
    const counts = counting()
    t.same(counts.add('a'), { requests: 1, milliseconds: 60_000 })
    now += 59_999
    t.same(counts.add('a'), { requests: 2, milliseconds: 1 })
    t.same(counts.add('b'), { requests: 1, milliseconds: 60_000 })
    now += 1
    t.same(counts.add('a'), { requests: 1, milliseconds: 60_000 })
    t.same(counts.add('b'), { requests: 2, milliseconds: 59_999 })
  })

  t.test('too many keys: the oldest are forgotten, the others are not, and there are never more', async (t) => {
    const counts = counting()
    for (let key = 0; key < MOST_KEYS; key += 1) counts.add(`${key}`)
    t.equal(counts.add('0').requests, 2)
    counts.add('one more')
    t.equal(counts.add(`${MOST_KEYS - 1}`).requests, 2)
    t.equal(counts.add(`${MOST_KEYS / 10}`).requests, 2)
    for (const key of ['0', `${MOST_KEYS / 10 - 1}`]) t.equal(counts.add(key).requests, 1)
  })
})
