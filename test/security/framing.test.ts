import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { exchange } from '../http/raw.ts'
import { startApp } from '../support/app.ts'
import { type Attack, expectNoDefects, expectVerdicts } from './attacks.ts'

const HEALTH = '/api/v1/health'
const END = 'Host: localhost\r\nConnection: close\r\n'
const MALFORMED = '400 MALFORMED_REQUEST'
const TOO_LARGE = '431 HEADERS_TOO_LARGE'

/** Requests as no client should send them, byte by byte: where two servers could read two things, this one reads none. */
t.test('framing', async (t) => {
  const { url, as, register, logged } = await startApp(t)
  const ada = await register()
  const authorization = `Authorization: Bearer ${ada.accessToken}\r\n`
  const json = `Content-Type: application/json\r\n`
  const milk = '{"title":"Milk"}'

  const get = (headers: string) => `GET ${HEALTH} HTTP/1.1\r\n${END}${headers}\r\n`
  const line = (text: string) => `${text}\r\n${END}\r\n`
  const host = (text: string) => `GET ${HEALTH} HTTP/1.1\r\nConnection: close\r\n${text}\r\n\r\n`
  const post = (headers: string, body: string) => `POST /api/v1/tasks HTTP/1.1\r\n${END}${authorization}${json}${headers}\r\n${body}`
  const chunked = (body: string, coding = 'Transfer-Encoding: chunked') => post(`${coding}\r\n`, body)
  const whole = `10\r\n${milk}\r\n0\r\n\r\n`

  const detail =
    (expected: string): Attack[3] =>
    (t, { body }) =>
      t.equal(JSON.parse(body).detail, expected)

  const hosts: readonly Attack[] = [
    ['no Host', `GET ${HEALTH} HTTP/1.1\r\nConnection: close\r\n\r\n`, MALFORMED, detail('The Host header is missing.')],
    ['an empty Host', host('Host:'), MALFORMED, detail('The Host header is missing.')],
    ['a Host of spaces', host('Host: \t '), MALFORMED],
    ['two Hosts', host('Host: a\r\nHost: b'), MALFORMED, detail('The header host is given twice.')],
    ['the same Host twice, in other cases', host('hOST: localhost\r\nHost: localhost'), MALFORMED],
    ['two Hosts in HTTP/1.0', `GET ${HEALTH} HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n`, MALFORMED],
    ['two Hosts in one', host('Host: a, b'), MALFORMED],
    ['a Host with a path', host('Host: localhost/api'), MALFORMED],
    ['a Host with a user', host('Host: ada@localhost'), MALFORMED],
    ['a Host with a space', host('Host: local host'), MALFORMED],
    ['a Host with a query', host('Host: localhost?'), MALFORMED],
    ['a Host with a script', host('Host: <script>alert(1)</script>'), MALFORMED],
    ['a Host with a port that is none', host('Host: localhost:http'), MALFORMED],
    ['a Host that is a port alone', host('Host: :80'), MALFORMED],
    ['a Host with two ports', host('Host: localhost:80:80'), MALFORMED],
    ['a Host with letters beyond ASCII', host('Host: b\xfccher.example'), MALFORMED],
    ['a Host with an unclosed address', host('Host: [::1'), MALFORMED],
    ['an invalid Host in HTTP/1.0', `GET ${HEALTH} HTTP/1.0\r\nHost: a/b\r\n\r\n`, MALFORMED],
    ['HTTP/1.0 without a Host, as load balancers check', `GET ${HEALTH} HTTP/1.0\r\n\r\n`, '200'],
    ['HTTP/1.0 with a Host', `GET ${HEALTH} HTTP/1.0\r\nHost: localhost\r\n\r\n`, '200'],
    ['the Host of somebody else, which means nothing', host('Host: evil.example'), '200'],
    ['a Host with a port', host('Host: docket_api.example.com.:8080'), '200'],
    ['a Host with an empty port', host('Host: localhost:'), '200'],
    ['a Host that is an address', host('Host: 127.0.0.1:3000'), '200'],
    ['a Host that is an address of version 6', host('Host: [::ffff:127.0.0.1]:3000'), '200'],
    ['another host in the URL, which means nothing', line(`GET http://elsewhere.example${HEALTH} HTTP/1.1`), '200'],
    ['another host in X-Forwarded-Host, which means nothing', get('X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: gopher\r\n'), '200'],
  ]

  const versions: readonly Attack[] = [
    ['HTTP/0.9', `GET ${HEALTH}\r\n\r\n`, MALFORMED],
    ['HTTP/0.9 by its number', line(`GET ${HEALTH} HTTP/0.9`), MALFORMED],
    ['HTTP/2.0 in the words of 1.1', line(`GET ${HEALTH} HTTP/2.0`), MALFORMED, detail('The version of HTTP is neither 1.1 nor 1.0.')],
    ['HTTP/1.2', line(`GET ${HEALTH} HTTP/1.2`), MALFORMED],
    ['HTTP/1.10', line(`GET ${HEALTH} HTTP/1.10`), MALFORMED],
    ['HTTP/01.1', line(`GET ${HEALTH} HTTP/01.1`), MALFORMED],
    ['HTTP/3.0', line(`GET ${HEALTH} HTTP/3.0`), MALFORMED],
    ['HTTP/1.', line(`GET ${HEALTH} HTTP/1.`), MALFORMED],
    ['the protocol in lower case', line(`GET ${HEALTH} http/1.1`), MALFORMED],
    ['another protocol', line(`GET ${HEALTH} FTP/1.0`), MALFORMED],
    ['a protocol of its own', line(`GET ${HEALTH} ICE/1.0`), MALFORMED],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', MALFORMED],
    ['something behind the version', line(`GET ${HEALTH} HTTP/1.1 x`), MALFORMED],
    ['the start of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', MALFORMED],
    ['garbage', 'garbage\r\n\r\n', MALFORMED],
    ['the line of a proxy (PROXY protocol)', `PROXY TCP4 1.2.3.4 1.2.3.5 1 2\r\n${get('')}`, MALFORMED],
    ['a command of mail', 'EHLO evil.example\r\nMAIL FROM:<a@b.c>\r\n\r\n', MALFORMED],
    ['a command of Redis', '*1\r\n$4\r\nPING\r\n', MALFORMED],
    ['an upgrade to HTTP/2 that nobody offers', get('Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n'), '200'],
    ['an upgrade to a web socket that nobody offers', get('Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'), '200'],
  ]

  const lines: readonly Attack[] = [
    ['an unknown method', line(`BREW ${HEALTH} HTTP/1.1`), MALFORMED],
    ['a method in lower case', line(`get ${HEALTH} HTTP/1.1`), MALFORMED],
    ['a method that is longer than any', line(`${'G'.repeat(9000)} ${HEALTH} HTTP/1.1`), MALFORMED],
    ['a method with a colon', line(`GET: ${HEALTH} HTTP/1.1`), MALFORMED],
    ['no method', line(` ${HEALTH} HTTP/1.1`), MALFORMED],
    ['no path', line('GET HTTP/1.1'), MALFORMED],
    ['two paths', line(`GET ${HEALTH} ${HEALTH} HTTP/1.1`), MALFORMED],
    ['a tab behind the method', line(`GET\t${HEALTH} HTTP/1.1`), MALFORMED],
    ['a space in the path', line('GET /api v1/health HTTP/1.1'), MALFORMED],
    ['a tab in the path', line('GET /api\tv1/health HTTP/1.1'), MALFORMED],
    ['NUL in the path', line(`GET ${HEALTH}\0 HTTP/1.1`), MALFORMED],
    ['a carriage return in the path', line(`GET ${HEALTH}\rx HTTP/1.1`), MALFORMED],
    ['DEL in the path', line(`GET ${HEALTH}\x7f HTTP/1.1`), MALFORMED],
    ['a path without a slash', line('GET api/v1/health HTTP/1.1'), MALFORMED],
    ['a URL of another scheme', line(`GET ftp://localhost${HEALTH} HTTP/1.1`), '404 NOT_FOUND'],
    ['a URL of a file', line('GET file:///etc/passwd HTTP/1.1'), '404 NOT_FOUND'],
    ['an empty line before the request', `\r\n${get('')}`, '200'],
    ['a space before the method', ` ${get('')}`, MALFORMED],
    ['17 KiB of URL', line(`GET ${HEALTH}?${'q'.repeat(17 * 1024)} HTTP/1.1`), TOO_LARGE],
    ['lines that end in a line feed alone', get('').replaceAll('\r\n', '\n'), MALFORMED],
    ['lines that end in a carriage return alone', get('').replaceAll('\r\n', '\r'), MALFORMED],
  ]

  const headers: readonly Attack[] = [
    ['a header without a colon', get('broken\r\n'), MALFORMED],
    ['a header without a name', get(': b\r\n'), MALFORMED],
    ['a space before the colon', get('X-A : b\r\n'), MALFORMED],
    ['a tab before the colon', get('X-A\t: b\r\n'), MALFORMED],
    ['a space before the first header', `GET ${HEALTH} HTTP/1.1\r\n X-A: b\r\n${END}\r\n`, MALFORMED],
    ['a header over two lines, by a space', get('X-A: b\r\n c\r\n'), MALFORMED],
    ['a header over two lines, by a tab', get('X-A: b\r\n\tc\r\n'), MALFORMED],
    ['NUL in a header', get('X-A: b\0c\r\n'), MALFORMED],
    ['NUL in the name of a header', get('X\0A: b\r\n'), MALFORMED],
    ['a carriage return in a header', get('X-A: b\rc\r\n'), MALFORMED],
    ['a line feed in a header, with a header behind it', get('X-A: b\nX-B: c\r\n'), MALFORMED],
    ['an escape character in a header', get('X-A: \x1b[2J\r\n'), MALFORMED],
    ['DEL in a header', get('X-A: b\x7f\r\n'), MALFORMED],
    ['parentheses in the name of a header', get('X(A): b\r\n'), MALFORMED],
    ['letters beyond ASCII in the name of a header', get('X-\xc4: b\r\n'), MALFORMED],
    ['bytes beyond ASCII in a header, which nobody reads', get('X-A: \xc3\xa4\xff\r\n'), '200'],
    ['headers called __proto__ and constructor', get('__proto__: b\r\nconstructor: c\r\n'), '200'],
    ['more than 100 headers', get('A: b\r\n'.repeat(99)), TOO_LARGE, detail('There are more than 100 headers.')],
    ['more headers than Node keeps', get('A:\r\n'.repeat(2100)), TOO_LARGE],
    ['17 KiB in one header', get(`X-A: ${'b'.repeat(17 * 1024)}\r\n`), TOO_LARGE, detail('The headers are larger than 16384 bytes.')],
    ['17 KiB in the name of a header', get(`${'X'.repeat(17 * 1024)}: b\r\n`), TOO_LARGE],
    ['17 KiB in many headers', get(`X-A: ${'b'.repeat(200)}\r\n`.repeat(85)), TOO_LARGE],
    ['100 headers', get('A: b\r\n'.repeat(98)), '200'],
    ['15 KiB of headers', get(`X-A: ${'b'.repeat(15 * 1024)}\r\n`), '200'],
    ['two Authorizations', post(authorization, ''), MALFORMED, detail('The header authorization is given twice.')],
    ['two Content-Types', post(`${json}Content-Length: 16\r\n`, milk), MALFORMED, detail('The header content-type is given twice.')],
    ['two Content-Types that differ', post('Content-Type: text/plain\r\nContent-Length: 16\r\n', milk), MALFORMED],
    ['two Content-Encodings', post('Content-Encoding: identity\r\nContent-Encoding: identity\r\nContent-Length: 16\r\n', milk), MALFORMED],
    ['an expectation that nobody knows', get('Expect: wonders\r\n'), '200'],
  ]

  const lengths: readonly Attack[] = [
    ...['2a', '-1', '-0', '+16', '0x10', '16.0', '1e1', '16, 16', '16,16', '16 16', '1_6', '\xd9\xa1', '""', '99999999999999999999', 'NaN'].map(
      (length): Attack => [`a Content-Length of ${length}`, post(`Content-Length: ${length}\r\n`, milk), MALFORMED],
    ),
    ['an empty Content-Length', post('Content-Length:\r\n', milk), MALFORMED],
    ['two Content-Lengths that differ', post('Content-Length: 16\r\nContent-Length: 17\r\n', milk), MALFORMED],
    ['two Content-Lengths that agree', post('Content-Length: 16\r\nContent-Length: 16\r\n', milk), MALFORMED],
    ['a space before the colon of Content-Length', post('Content-Length : 16\r\n', milk), MALFORMED],
    ['Transfer-Encoding beside Content-Length', post('Content-Length: 16\r\nTransfer-Encoding: chunked\r\n', whole), MALFORMED],
    ['Content-Length beside Transfer-Encoding', post('Transfer-Encoding: chunked\r\nContent-Length: 16\r\n', whole), MALFORMED],
    ['Content-Length: 0 beside Transfer-Encoding', post('Content-Length: 0\r\nTransfer-Encoding: chunked\r\n', whole), MALFORMED],
    ['a smuggled prefix (CL.TE)', post('Content-Length: 6\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\nG'), MALFORMED],
    [
      'a smuggled prefix (TE.CL)',
      post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', '5c\r\nGET /admin HTTP/1.1\r\n\r\n0\r\n\r\n'),
      MALFORMED,
    ],
    ['a Content-Length of 256 KiB and a byte, before any of it', post('Content-Length: 262145\r\n', ''), '413 PAYLOAD_TOO_LARGE'],
    ['a Content-Length beyond what a number can hold', post('Content-Length: 9007199254740993\r\n', ''), '413 PAYLOAD_TOO_LARGE'],
    ['no body where there must be one', post('Content-Length: 0\r\n', ''), '422 body required'],
    ['leading zeros in Content-Length', post('Content-Length: 0016\r\n', milk), '201'],
    ['spaces around Content-Length', post('Content-Length: \t16 \r\n', milk), '201'],
    ['a body where there may be none', get('Content-Length: 2\r\n').concat('{}'), MALFORMED, detail('This operation takes no body.')],
    ['a body in chunks where there may be none', get('Transfer-Encoding: chunked\r\n').concat('2\r\n{}\r\n0\r\n\r\n'), MALFORMED],
    ['a compressed body where there may be none', get('Content-Encoding: gzip\r\nContent-Length: 2\r\n').concat('{}'), MALFORMED],
  ]

  const codings: readonly Attack[] = [
    ...[
      'cow',
      'xchunked',
      'chunked-',
      'chunkedx',
      'gzip',
      'identity',
      'chunked, identity',
      'chunked, gzip',
      '"chunked"',
      'chunked;',
      '\x0bchunked',
    ].map((coding): Attack => [`a Transfer-Encoding of ${JSON.stringify(coding)}`, chunked(whole, `Transfer-Encoding: ${coding}`), MALFORMED]),
    ['an empty Transfer-Encoding', chunked(whole, 'Transfer-Encoding:'), MALFORMED],
    ['chunked twice', chunked(whole, 'Transfer-Encoding: chunked, chunked'), MALFORMED],
    ['chunked twice, in two headers', chunked(whole, 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'), MALFORMED],
    ['chunked before another, in two headers', chunked(whole, 'Transfer-Encoding: chunked\r\nTransfer-Encoding: cow'), MALFORMED],
    ['chunked behind another, in two headers', chunked(whole, 'Transfer-Encoding: cow\r\nTransfer-Encoding: chunked'), MALFORMED],
    ['a coding before chunked', chunked(whole, 'Transfer-Encoding: gzip, chunked'), MALFORMED],
    ['a space before the colon of Transfer-Encoding', chunked(whole, 'Transfer-Encoding : chunked'), MALFORMED],
    ['Transfer-Encoding over two lines', chunked(whole, 'Transfer-Encoding:\r\n chunked'), MALFORMED],
    ['Transfer-Encoding behind a line feed', chunked(whole, 'X-A: b\nTransfer-Encoding: chunked'), MALFORMED],
    ['Transfer-Encoding in HTTP/1.0', chunked(whole).replace('HTTP/1.1', 'HTTP/1.0'), MALFORMED],
    ['Transfer-Encoding in another case, with a tab', chunked(whole, 'transfer-ENCODING:\tChunked'), '201'],
    ...['zz', '-10', '+10', '0x10', '10 ', ' 10', '', '10.0', 'ffffffffffffffffff', '10\0', '\xff'].map(
      (size): Attack => [`a chunk of the size ${JSON.stringify(size)}`, chunked(`${size}\r\n${milk}\r\n0\r\n\r\n`), MALFORMED],
    ),
    ['a chunk that is longer than its size', chunked(`f\r\n${milk}\r\n0\r\n\r\n`), MALFORMED],
    ['a chunk that is shorter than its size', chunked(`11\r\n${milk}\r\n0\r\n\r\n`), MALFORMED],
    ['chunks that end in a line feed alone', chunked(`10\n${milk}\n0\n\n`), MALFORMED],
    ['a chunk with a line feed behind its size', chunked(`10\n${milk}\r\n0\r\n\r\n`), MALFORMED],
    ['a chunk extension with a line feed', chunked(`10;a\n=b\r\n${milk}\r\n0\r\n\r\n`), MALFORMED],
    ['20 KiB of chunk extensions', chunked(`10;${'a'.repeat(20_480)}\r\n${milk}\r\n0\r\n\r\n`), MALFORMED],
    ['a trailer without a name', chunked(`10\r\n${milk}\r\n0\r\n: b\r\n\r\n`), MALFORMED],
    ['a chunk of more than 256 KiB', chunked(`40001\r\n${' '.repeat(0x40001)}\r\n`), '413 PAYLOAD_TOO_LARGE'],
    ['a body in chunks', chunked('3\r\n{"t\r\nd\r\nitle":"Milk"}\r\n0\r\n\r\n'), '201'],
    ['a chunk size with leading zeros', chunked(`00000010\r\n${milk}\r\n0\r\n\r\n`), '201'],
    ['a chunk extension, which means nothing', chunked(`10;a="b";c\r\n${milk}\r\n0\r\n\r\n`), '201'],
    ['a trailer that says how long the body was', chunked(`10\r\n${milk}\r\n0\r\nContent-Length: 99\r\n\r\n`), MALFORMED],
    ['a trailer with another token, which means nothing', chunked(`10\r\n${milk}\r\n0\r\nAuthorization: Bearer x\r\n\r\n`), '201'],
  ]

  const closes = (attack: Attack): Attack => {
    const [what, bytes, verdict, also] = attack
    return [
      what,
      bytes,
      verdict,
      (t, answer) => {
        t.equal(answer.headers.get('connection'), 'close')
        also?.(t, answer)
      },
    ]
  }
  const before = (await as(ada)('listTasks', { expect: 200 })).body.items.length
  for (const [area, attacks] of Object.entries({ Host: hosts, versions, 'request lines': lines, headers, lengths, codings })) {
    t.test(area, async (t) => expectVerdicts(t, url, attacks.map(closes)))
  }

  t.test('what was refused has created nothing, and what was accepted exactly one task', async (t) => {
    const created = [...lengths, ...codings].filter(([, , verdict]) => verdict === '201').length
    t.equal((await as(ada)('listTasks', { query: { limit: 100 }, expect: 200 })).body.items.length, before + created)
  })

  /** The statuses of all answers on one connection. */
  const statusesOf = async (bytes: string) => {
    const { status, body } = await exchange(url, bytes)
    return [status, ...[...body.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, next]) => Number(next))]
  }
  const kept = (request: string) => request.replace('Connection: close\r\n', '')

  const connections: readonly (readonly [what: string, bytes: string, statuses: readonly number[]])[] = [
    ['CONNECT: nothing at all', `CONNECT example.com:443 HTTP/1.1\r\n${END}\r\n`, [0]],
    ['CONNECT to a path: nothing at all', `CONNECT ${HEALTH} HTTP/1.1\r\n${END}\r\n`, [0]],
    ['100 and 201 after an expectation', post('Expect: 100-continue\r\nContent-Length: 16\r\n', milk), [100, 201]],
    [
      'three pipelined requests: three answers in their order',
      kept(get('')) + kept(post('Content-Length: 16\r\n', milk)) + get('A: b\r\n'),
      [200, 201, 200],
    ],
    [
      'a body that is shorter than what follows: its answer, and 400 for the rest',
      kept(post('Content-Length: 16\r\n', `${milk}garbage\r\n\r\n`)),
      [201, 400],
    ],
    ['a body that is longer than its length: 400, and the end', kept(post('Content-Length: 15\r\n', `${milk}\r\n\r\n`)), [400]],
    ['a whole request inside a body: one answer', post(`Content-Length: ${get('').length}\r\n`, get('')), [400]],
    ['a request behind one that asks to close: one answer', get('') + get(''), [200]],
    ['a request behind a body where there may be none: one answer', kept(get(`Content-Length: ${get('').length}\r\n`)) + get(''), [400]],
    ['a request behind the last chunk: two answers', kept(chunked(whole)) + get(''), [201, 200]],
    ['a request behind a body that is too large: one answer', kept(post('Content-Length: 262145\r\n', '')) + get(''), [413]],
    ['two requests of which the first has no Host: one answer', `GET ${HEALTH} HTTP/1.1\r\n\r\n${get('')}`, [400, 200]],
  ]
  for (const [what, bytes, statuses] of connections) {
    t.test(`one connection: ${what}`, async (t) => {
      t.same(await statusesOf(bytes), statuses)
    })
  }

  t.test('one connection: a second request cannot hide behind the body of the first', async (t) => {
    const smuggled = `GET /api/v1/users/me HTTP/1.1\r\n${END}${authorization}\r\n`
    const first = `GET ${HEALTH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${smuggled.length}\r\n\r\n`
    const { status, body } = await exchange(url, first + smuggled)
    t.equal(status, 400)
    t.notMatch(body, /HTTP\/1\.1|example\.com/)
  })

  t.test('one connection: 201 before the 400 for what comes behind it, so that nobody repeats what was done', async (t) => {
    const task = kept(post('Content-Length: 16\r\n', milk))
    t.same(await statusesOf(`${task}GARBAGE\r\n\r\n`), [201, 400])
    t.same((await statusesOf(`${task}${task}GARBAGE\r\n\r\n`)).at(-1), 400)
  })

  t.test('one connection: 401 alone when the body that nobody reads turns out to be none', async (t) => {
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

  expectNoDefects(t, logged)
})
