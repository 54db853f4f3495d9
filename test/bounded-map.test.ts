import t from 'tap'
import { BoundedMap } from '../src/bounded-map.ts'

t.test('BoundedMap', async (t) => {
  const numbered = (count: number) => {
    const map = new BoundedMap<number, string>(10)
    for (let key = 0; key < count; key++) map.set(key, String(key))
    return map
  }

  t.test('holds as many as it may', async (t) => {
    t.same([...numbered(10).keys()], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  t.test('forgets the oldest for a new one, and nothing for one that it has', async (t) => {
    t.same([...numbered(11).keys()], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    const full = numbered(10)
    full.set(0, 'again')
    t.equal(full.size, 10)
    t.equal(full.get(0), 'again')
  })

  t.test('forgets a tenth at once', async (t) => {
    const map = new BoundedMap<number, number>(100)
    for (let key = 0; key <= 100; key++) map.set(key, key)
    t.equal(map.size, 91)
    t.same([map.has(9), map.has(10), map.has(100)], [false, true, true])
  })
})
