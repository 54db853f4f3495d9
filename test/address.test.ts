import t from 'tap'
import { networkOf } from '../src/address.ts'

t.test('addresses', async (t) => {
  for (const [network, ...addresses] of [
    ['192.0.2.7', '192.0.2.7', '192.0.2.7:50123', '[::ffff:192.0.2.7]:443', '::ffff:192.0.2.7', '::FFFF:c000:0207', '0:0:0:0:0:ffff:192.0.2.7'],
    [
      '2001:db8:0:1::/64',
      '2001:db8:0:1::',
      '2001:db8:0:1:ffff:ffff:ffff:ffff',
      '2001:0DB8:0000:0001::7',
      '2001:db8::1:0:0:0:0',
      '2001:db8:0:1::1%eth0',
      '[2001:db8:0:1::1]',
      '[2001:db8:0:1::1]:443',
      '[2001:db8:0:1::1%eth0]:443',
    ],
    ['2001:db8:0:2::/64', '2001:db8:0:2::'],
    ['0:0:0:0::/64', '::1', '::', '::192.0.2.7'],
    ['64:ff9b:0:0::/64', '64:ff9b::192.0.2.7'],
  ]) {
    t.test(`${network} stands for all of its addresses`, async (t) => {
      for (const address of addresses) t.equal(networkOf(address), network, address)
    })
  }

  t.test('what is no address stands for itself, at no great length', async (t) => {
    for (const text of ['', 'unknown', ':::', '1:2', '[x]:443', '192.0.2.7:', '2001:db8::1::2', '::ffff:1.2.3.999', 'g::'])
      t.equal(networkOf(text), text)
    t.equal(networkOf('x'.repeat(1000)).length, 45)
    t.equal(networkOf(':'.repeat(1000)).length, 45)
  })
})
