import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { startApp } from '../support/app.ts'
import { checkProblem } from '../support/contract-check.ts'
import { exchange } from './raw.ts'

const HEALTH = '/api/v1/health'
const END = 'Host: localhost\r\nConnection: close\r\n'

/** Requests as no client should send them, byte by byte. */
t.test('unreadable requests', async (t) => {
  const { url, as, register, logged } = await startApp(t)
  const ada = await register()
  const authorization = `Authorization: Bearer ${ada.accessToken}\r\n`

  const json = `Content-Type: application/json\r\n`
  const post = (headers: string, body: string) => `POST /api/v1/tasks HTTP/1.1\r\n${END}${authorization}${headers}\r\n${body}`

  const refused: readonly [what: string, bytes: string, status: number, detail?: string][] = [
    ['no Host', `GET ${HEALTH} HTTP/1.1\r\nConnection: close\r\n\r\n`, 400, 'The Host header is missing.'],
    ['an empty Host', `GET ${HEALTH} HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n`, 400, 'The Host header is missing.'],
    ['two Hosts', `GET ${HEALTH} HTTP/1.1\r\nHost: a\r\n${END}\r\n`, 400, 'The header host is given twice.'],
    ['the same Host twice', `GET ${HEALTH} HTTP/1.1\r\nhOST: localhost\r\n${END}\r\n`, 400, 'The header host is given twice.'],
    ['two Hosts in HTTP/1.0', `GET ${HEALTH} HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n`, 400, 'The header host is given twice.'],
    ['HTTP/0.9', `GET ${HEALTH}\r\n\r\n`, 400],
    ['HTTP/2.0 in the words of 1.1', `GET ${HEALTH} HTTP/2.0\r\n${END}\r\n`, 400, 'The version of HTTP is neither 1.1 nor 1.0.'],
    ['HTTP/1.2', `GET ${HEALTH} HTTP/1.2\r\n${END}\r\n`, 400],
    ['HTTP/3.0', `GET ${HEALTH} HTTP/3.0\r\n${END}\r\n`, 400],
    ['another protocol', `GET ${HEALTH} FTP/1.0\r\n${END}\r\n`, 400],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['garbage', 'garbage\r\n\r\n', 400],
    ['the start of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    ['an unknown method', `BREW ${HEALTH} HTTP/1.1\r\n${END}\r\n`, 400],
    ['a method in lower case', `get ${HEALTH} HTTP/1.1\r\n${END}\r\n`, 400],
    ['a space in the path', `GET /api v1/health HTTP/1.1\r\n${END}\r\n`, 400],
    ['a header without a colon', `GET ${HEALTH} HTTP/1.1\r\n${END}broken\r\n\r\n`, 400],
    ['a space before the colon', `GET ${HEALTH} HTTP/1.1\r\n${END}X-A : b\r\n\r\n`, 400],
    ['a header over two lines', `GET ${HEALTH} HTTP/1.1\r\n${END}X-A: b\r\n c\r\n\r\n`, 400],
    ['NUL in a header', `GET ${HEALTH} HTTP/1.1\r\n${END}X-A: b\0c\r\n\r\n`, 400],
    ['NUL in the name of a header', `GET ${HEALTH} HTTP/1.1\r\n${END}X\0A: b\r\n\r\n`, 400],
    ['NUL in the path', `GET ${HEALTH}\0 HTTP/1.1\r\n${END}\r\n`, 400],
    ['a carriage return in a header', `GET ${HEALTH} HTTP/1.1\r\n${END}X-A: b\rc\r\n\r\n`, 400],
    [
      'two Authorizations',
      `GET /api/v1/users/me HTTP/1.1\r\n${END}${authorization}${authorization}\r\n`,
      400,
      'The header authorization is given twice.',
    ],
    ['two Content-Types', post(`${json}${json}Content-Length: 2\r\n`, '{}'), 400, 'The header content-type is given twice.'],
    ['two Content-Types that differ', post(`${json}Content-Type: text/plain\r\nContent-Length: 2\r\n`, '{}'), 400],
    ['two Content-Lengths that differ', post(`${json}Content-Length: 2\r\nContent-Length: 3\r\n`, '{}'), 400],
    ['two Content-Lengths that agree', post(`${json}Content-Length: 2\r\nContent-Length: 2\r\n`, '{}'), 400],
    ['a Content-Length that is none', post(`${json}Content-Length: 2a\r\n`, '{}'), 400],
    ['a negative Content-Length', post(`${json}Content-Length: -1\r\n`, '{}'), 400],
    ['a Content-Length of more than 64 bits', post(`${json}Content-Length: 99999999999999999999\r\n`, '{}'), 400],
    ['Transfer-Encoding beside Content-Length', post(`${json}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n`, '0\r\n\r\n'), 400],
    ['Content-Length beside Transfer-Encoding', post(`${json}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n`, '0\r\n\r\n'), 400],
    ['an unknown Transfer-Encoding', post(`${json}Transfer-Encoding: cow\r\n`, '{}'), 400],
    ['chunked before another Transfer-Encoding', post(`${json}Transfer-Encoding: chunked, identity\r\n`, '0\r\n\r\n'), 400],
    ['a chunk whose size is none', post(`${json}Transfer-Encoding: chunked\r\n`, 'zz\r\n{}\r\n0\r\n\r\n'), 400],
    [
      'a compressed body where there may be none',
      `GET ${HEALTH} HTTP/1.1\r\n${END}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}`,
      400,
      'This operation takes no body.',
    ],
    ['more than 100 headers', `GET ${HEALTH} HTTP/1.1\r\n${END}${'A: b\r\n'.repeat(99)}\r\n`, 431, 'There are more than 100 headers.'],
    ['more headers than Node keeps', `GET ${HEALTH} HTTP/1.1\r\n${END}${'A:\r\n'.repeat(2100)}\r\n`, 431],
    ['17 KiB of headers', `GET ${HEALTH} HTTP/1.1\r\n${END}X-A: ${'b'.repeat(17 * 1024)}\r\n\r\n`, 431, 'The headers are larger than 16384 bytes.'],
    ['17 KiB of URL', `GET ${HEALTH}?${'q'.repeat(17 * 1024)} HTTP/1.1\r\n${END}\r\n`, 431],
  ]

  for (const [what, bytes, status, detail] of refused) {
    t.test(`${status} for ${what}`, async (t) => {
      const { status: answered, headers, body } = await exchange(url, bytes)
      t.equal(answered, status)
      t.equal(headers.get('connection'), 'close')
      checkProblem(status, headers, body)
      if (detail !== undefined) t.equal(JSON.parse(body).detail, detail)
    })
  }

  const accepted: readonly [what: string, bytes: string][] = [
    ['HTTP/1.0 without a Host, as load balancers check', `GET ${HEALTH} HTTP/1.0\r\n\r\n`],
    ['HTTP/1.0 with a Host', `GET ${HEALTH} HTTP/1.0\r\nHost: localhost\r\n\r\n`],
    ['100 headers', `GET ${HEALTH} HTTP/1.1\r\n${END}${'A: b\r\n'.repeat(98)}\r\n`],
    ['15 KiB of headers', `GET ${HEALTH} HTTP/1.1\r\n${END}X-A: ${'b'.repeat(15 * 1024)}\r\n\r\n`],
    ['a URL with a host, which means nothing', `GET http://elsewhere.example${HEALTH} HTTP/1.1\r\n${END}\r\n`],
    ['an empty line before the request', `\r\nGET ${HEALTH} HTTP/1.1\r\n${END}\r\n`],
    ['an expectation that nobody knows', `GET ${HEALTH} HTTP/1.1\r\n${END}Expect: wonders\r\n\r\n`],
    ['an upgrade that nobody offers', `GET ${HEALTH} HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade, close\r\nUpgrade: h2c\r\n\r\n`],
  ]

  for (const [what, bytes] of accepted) {
    t.test(`getLiveness: 200 for ${what}`, async (t) => {
      const { status, headers, body } = await exchange(url, bytes)
      t.equal(status, 200)
      t.same(JSON.parse(body), { status: 'ok' })
      t.match(headers.get('x-request-id'), /^[A-Za-z0-9._-]{8,128}$/)
    })
  }

  t.test('createTask: 201 for a body in chunks, and after an expectation', async (t) => {
    const chunked = post(`${json}Transfer-Encoding: chunked\r\n`, '3\r\n{"t\r\nd\r\nitle":"Milk"}\r\n0\r\n\r\n')
    t.equal((await exchange(url, chunked)).status, 201)
    const { status, body } = await exchange(url, post(`${json}Expect: 100-continue\r\nContent-Length: 16\r\n`, '{"title":"Milk"}'))
    t.equal(status, 100)
    t.match(body, /^HTTP\/1\.1 201 Created\r\n/)
  })

  t.test('CONNECT: the connection ends without a word', async (t) => {
    t.match(await exchange(url, `CONNECT example.com:443 HTTP/1.1\r\n${END}\r\n`), { status: 0, body: '' })
  })

  t.test('a second request in the same packet cannot hide behind the body of the first', async (t) => {
    const smuggled = `GET /api/v1/users/me HTTP/1.1\r\n${END}${authorization}\r\n`
    const first = `GET ${HEALTH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${smuggled.length}\r\n\r\n`
    const { status, body } = await exchange(url, first + smuggled)
    t.equal(status, 400)
    t.notMatch(body, /HTTP\/1\.1|example\.com/)
  })

  t.test('createTask: 201 before the 400 for what comes behind it, so that nobody repeats what was done', async (t) => {
    const task = post(`${json}Content-Length: 16\r\n`, '{"title":"Milk"}').replace(END, 'Host: localhost\r\n')
    for (const [garbage, last] of [
      ['GARBAGE\r\n\r\n', 400],
      [`${task}GARBAGE\r\n\r\n`, 400],
    ] as const) {
      const { status, body } = await exchange(url, task + garbage)
      t.equal(status, 201)
      t.equal(body.split('HTTP/1.1 ').at(-1)?.slice(0, 3), String(last))
    }
  })

  t.test('createTask: 401 alone when the body that nobody reads turns out to be none', async (t) => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    socket.write('POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n')
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk
      socket.write('zz\r\n')
    })
    await once(socket, 'close')
    t.match(received, /^HTTP\/1\.1 401 /)
    t.equal(received.split('HTTP/1.1 ').length, 2)
  })

  t.test('nothing of this was a defect, and the server goes on', async (t) => {
    t.same(
      logged.filter(({ level, requestId }) => Number(level) >= 40 && requestId !== undefined),
      [],
    )
    t.equal((await as(ada)('listTasks', { expect: 200 })).body.items.length, 5)
  })
})
