import t from 'tap'
import { databaseEnvironment } from '../support/app.ts'
import { startServer } from '../support/process.ts'
import { exchange } from './raw.ts'

/** As on most machines, where it is ::1 as well; that one cannot be counted on where the tests run. */
const TWO_ADDRESSES = `
  import dns from 'node:dns'
  const { lookup } = dns
  const addresses = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }))
  dns.lookup = (host, options, callback) =>
    host === 'localhost' && options.all ? callback(null, addresses) : lookup(host, options, callback)`

t.test('where localhost has two addresses, the server is the same wherever it listens', async (t) => {
  const server = await startServer(t, {
    ...(await databaseEnvironment(t)),
    HOST: 'localhost',
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(TWO_ADDRESSES)}`,
  })
  const listening = [...server.output().matchAll(/Docket listens on (http:[^"\s]+)/g)].map(([, url = '']) => url)
  t.ok(listening.length > 0)
  for (const url of listening) {
    await t.test(`${new URL(url).hostname}: what is no HTTP is answered with a problem`, async (t) => {
      const { status, headers } = await exchange(url, 'no HTTP\r\n\r\n')
      t.equal(status, 400)
      t.match(headers.get('content-type'), 'application/problem+json')
    })
  }
  t.equal(await server.end('SIGTERM'), 0)
})
