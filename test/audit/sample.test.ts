import t from 'tap'
import { Sample } from '../../src/audit/sample.ts'

t.test('of each kind one a minute is kept, also when the clock is set back meanwhile', async (t) => {
  let elapsed = 1000
  let clock = Date.now()
  t.intercept(performance, 'now', { value: () => elapsed })
  t.intercept(Date, 'now', { value: () => clock })
  const sample = new Sample()
  t.same(
    ['a', 'a', 'b'].map((kind) => sample.take(kind)),
    [true, false, true],
  )
  elapsed += 60_000
  clock -= 86_400_000
  t.same(
    ['a', 'a', 'b'].map((kind) => sample.take(kind)),
    [true, false, true],
  )
})
