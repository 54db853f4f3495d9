import { randomUUID } from 'node:crypto'
import t from 'tap'
import { startApp } from '../support/app.ts'
import { accessLines, exchange } from './raw.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

t.test('request ids', async (t) => {
  const { url, logged } = await startApp(t)
  const ask = (headers: string, path = '/api/v1/health') =>
    exchange(url, `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n`)

  t.test('X-Request-Id is echoed when it is 8 to 128 of the allowed characters', async (t) => {
    for (const id of ['12345678', 'a'.repeat(128), randomUUID(), 'A-Z.a_z-0.9', '........', '--------', 'traceparent_00-4bf92f3577b34da6']) {
      for (const path of ['/api/v1/health', '/nowhere', '/api/v1/tasks', '/api/v1/tasks/%zz']) {
        const { headers } = await ask(`X-Request-Id: ${id}\r\n`, path)
        t.equal(headers.get('x-request-id'), id)
      }
    }
  })

  t.test('X-Request-Id is replaced when it is anything else', async (t) => {
    const others = [
      '',
      '1234567',
      'a'.repeat(129),
      'with space',
      'semi;colon',
      'quote"quote',
      '<script>',
      'back\\slash',
      'slash/slash',
      'r\xe4tselhaft',
      '12345678,',
    ]
    for (const id of others) {
      const { status, headers } = await ask(`X-Request-Id: ${id}\r\n`)
      t.equal(status, 200)
      t.match(headers.get('x-request-id'), UUID, id)
    }
    t.match((await ask('X-Request-Id: 12345678\r\nX-Request-Id: 12345678\r\n')).headers.get('x-request-id'), UUID)
  })

  t.test('without one, every request gets its own', async (t) => {
    const ids = await Promise.all(Array.from({ length: 50 }, async () => (await ask('')).headers.get('x-request-id')))
    t.equal(new Set(ids).size, 50)
    for (const id of ids) t.match(id, UUID)
  })

  t.test('the problem and the log have the same id', async (t) => {
    for (const path of ['/nowhere', '/api/v1/users/me', '/api/v1/health?surprise=1', '/api/v1/tasks/%zz']) {
      const { headers, body } = await ask('', path)
      const id = headers.get('x-request-id') ?? ''
      t.equal(JSON.parse(body).requestId, id)
      t.equal((await accessLines(logged, id)).length, 1)
    }
  })

  t.test('what is no HTTP has an id as well, though not its own', async (t) => {
    const { status, headers, body } = await ask('X-Request-Id: 12345678\r\nbroken\r\n')
    t.equal(status, 400)
    t.match(headers.get('x-request-id'), UUID)
    t.equal(JSON.parse(body).requestId, headers.get('x-request-id'))
  })
})
