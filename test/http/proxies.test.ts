import t, { type Test } from 'tap'
import { startApp } from '../support/app.ts'
import { accessLines, exchange } from './raw.ts'

let count = 0

/** The address that a server takes a client for, by its own log. */
async function addressing(t: Test, trustedProxies?: string) {
  const { url, logged } = await startApp(t, trustedProxies === undefined ? {} : { TRUSTED_PROXIES: trustedProxies })
  return async (headers: Record<string, string>) => {
    const id = `proxied-${count++}`.padEnd(12, '-')
    const lines = Object.entries({ 'X-Request-Id': id, Host: 'localhost', Connection: 'close', ...headers }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    )
    await exchange(url, `GET /api/v1/health HTTP/1.1\r\n${lines.join('')}\r\n`)
    return (await accessLines(logged, id))[0]?.['address']
  }
}

const CLAIMS: readonly Record<string, string>[] = [
  { 'X-Forwarded-For': '203.0.113.7' },
  { 'X-Forwarded-For': '127.0.0.1' },
  { Forwarded: 'for=203.0.113.7' },
  { 'X-Real-IP': '203.0.113.7' },
  { 'X-Client-IP': '203.0.113.7' },
  { 'CF-Connecting-IP': '203.0.113.7' },
]

t.test('proxies', async (t) => {
  t.test('by default nobody is believed', async (t) => {
    const addressOf = await addressing(t)
    for (const claim of CLAIMS) t.equal(await addressOf(claim), '127.0.0.1', JSON.stringify(claim))
  })

  t.test('a peer that is no trusted proxy is not believed', async (t) => {
    const addressOf = await addressing(t, '10.0.0.0/8, 192.0.2.1, 2001:db8::/32')
    for (const claim of CLAIMS) t.equal(await addressOf(claim), '127.0.0.1', JSON.stringify(claim))
  })

  t.test('a trusted proxy is believed, as far as the first address that is none', async (t) => {
    const addressOf = await addressing(t, '127.0.0.1/32, 10.0.0.0/8')
    t.equal(await addressOf({}), '127.0.0.1')
    t.equal(await addressOf({ 'X-Forwarded-For': '203.0.113.7' }), '203.0.113.7')
    t.equal(await addressOf({ 'X-Forwarded-For': '2001:db8::7' }), '2001:db8::7')
    t.equal(await addressOf({ 'X-Forwarded-For': '198.51.100.1, 203.0.113.7' }), '203.0.113.7')
    t.equal(await addressOf({ 'X-Forwarded-For': '198.51.100.1, 203.0.113.7, 10.1.2.3' }), '203.0.113.7')
    t.equal(await addressOf({ 'X-Forwarded-For': '10.1.2.4, 10.1.2.3' }), '10.1.2.4')
    for (const claim of CLAIMS.slice(2)) t.equal(await addressOf(claim), '127.0.0.1', JSON.stringify(claim))
  })

  t.test('the host that a proxy names changes nothing', async (t) => {
    const { url } = await startApp(t, { TRUSTED_PROXIES: '127.0.0.1' })
    for (const name of ['X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Forwarded-Prefix']) {
      const head = `POST /api/v1/auth/register HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${name}: evil.example\r\nContent-Type: application/json\r\n`
      const body = JSON.stringify({ username: `ada${name.length}`, email: `${name}@example.com`, password: 'correct horse battery staple' })
      const { status, headers } = await exchange(url, `${head}Content-Length: ${body.length}\r\n\r\n${body}`)
      t.equal(status, 201)
      t.equal(headers.get('location'), '/api/v1/users/me')
    }
  })
})
