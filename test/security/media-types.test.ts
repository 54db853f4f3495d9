import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { PASSWORD, startApp } from '../support/app.ts'
import { type Attack, expectNoDefects, expectVerdicts, requestOf } from './attacks.ts'

const JSON_TYPE = 'application/json'
const FORM = 'application/x-www-form-urlencoded'
const UNSUPPORTED = '415 UNSUPPORTED_MEDIA_TYPE'
const NO_FORM = '415 invalid_request'
const MILK = '{"title":"Milk"}'

/** A body is what its Content-Type says, in one type for each operation, or it is not read at all. */
t.test('media types', async (t) => {
  const { url, register, logged } = await startApp(t)
  const ada = await register()
  const authorization = `Authorization: Bearer ${ada.accessToken}`
  const grant = new URLSearchParams({ grant_type: 'password', username: ada.username, password: PASSWORD }).toString()
  const create = (type: string, body: string | Buffer = MILK, ...headers: string[]) =>
    requestOf('POST /api/v1/tasks', [authorization, `Content-Type: ${type}`, ...headers], body)
  const token = (type: string, body: string | Buffer = grant, ...headers: string[]) =>
    requestOf('POST /api/v1/auth/token', [`Content-Type: ${type}`, ...headers], body)

  const spellings = (type: string): readonly (readonly [spelling: string, read: boolean])[] => [
    [type, true],
    [type.toUpperCase(), true],
    [`${type};charset=utf-8`, true],
    [`${type}; charset=UTF-8`, true],
    [`${type} ; charset="utf-8"`, true],
    [`${type}\t;\tcharset=utf-8`, true],
    [`${type}; charset=utf8`, true],
    [`${type}; charset=us-ascii`, true],
    [`${type};`, true],
    [`${type}; boundary=x`, true],
    [`${type}; charset=utf-16`, false],
    [`${type}; charset=utf-16le`, false],
    [`${type}; charset=utf-7`, false],
    [`${type}; charset=iso-8859-1`, false],
    [`${type}; charset="ibm037"`, false],
    [`${type}; a=b; charset=latin1`, false],
    [`${type}; charset=utf-8; charset=utf-16`, false],
    [`${type}; charset=`, false],
    [`${type}, text/plain`, false],
    [`${type},${type}`, false],
    [`text/plain, ${type}`, false],
    [`text/plain; x=${type}`, false],
    [`text/plain;${type}`, false],
    [`${type} text/plain`, false],
    [`${type}\ttext/plain`, false],
    [`${type}x`, false],
    [`x${type}`, false],
    [`"${type}"`, false],
    [`${type}/x`, false],
    [type.replace('/', ' / '), false],
    [type.replace('/', '\\'), false],
    [type.replace('application', '*'), false],
    [`${type.split('/')[0]}`, false],
    ['*/*', false],
    ['text/plain', false],
    ['text/json', false],
    ['text/html', false],
    ['text/xml', false],
    ['application/xml', false],
    ['application/yaml', false],
    ['application/octet-stream', false],
    ['application/vnd.api+json', false],
    ['application/problem+json', false],
    ['application/merge-patch+json', false],
    ['application/json-patch+json', false],
    ['application/json5', false],
    ['application/x-ndjson', false],
    ['application/graphql', false],
    ['application/cbor', false],
    ['application/x-java-serialized-object', false],
    ['multipart/form-data; boundary=x', false],
    ['multipart/mixed', false],
    ['json', false],
    [';', false],
    ['/', false],
    ['__proto__', false],
    ['constructor', false],
    ['\xe4pplication/json', false],
  ]
  const bytes = (request: Buffer) => Buffer.from(request.toString('utf8'), 'latin1')

  t.test('JSON', async (t) => {
    expectVerdicts(
      t,
      url,
      spellings(JSON_TYPE).map(([type, read]) => [`createTask as ${JSON.stringify(type)}`, bytes(create(type)), read ? '201' : UNSUPPORTED]),
    )
  })
  t.test('form', async (t) => {
    expectVerdicts(
      t,
      url,
      spellings(FORM).map(([type, read]) => [`createToken as ${JSON.stringify(type)}`, bytes(token(type)), read ? '200' : NO_FORM]),
    )
  })

  const gzip = gzipSync(MILK)
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
  const multipart = `--x\r\nContent-Disposition: form-data; name="title"\r\n\r\nMilk\r\n--x--\r\n`
  const others: readonly Attack[] = [
    ['JSON to the token endpoint', token(JSON_TYPE, JSON.stringify({ grant_type: 'password', username: ada.username, password: PASSWORD })), NO_FORM],
    ['a form to a JSON operation', create(FORM, 'title=Milk'), UNSUPPORTED],
    [
      'a form to the login',
      requestOf('POST /api/v1/auth/login', [`Content-Type: ${FORM}`], `username=${ada.username}&password=${PASSWORD}`),
      UNSUPPORTED,
    ],
    ['JSON as text, which a page may send anywhere without asking (CSRF)', create('text/plain'), UNSUPPORTED],
    ['a form of parts with a task in it', create('multipart/form-data; boundary=x', multipart), UNSUPPORTED],
    ['XML with an external entity', create('application/xml', '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'), UNSUPPORTED],
    ['YAML with a constructor', create('application/yaml', 'title: !!js/function "x"'), UNSUPPORTED],
    [
      'a body without a type',
      Buffer.concat([
        Buffer.from(
          `POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${authorization}\r\nContent-Length: ${MILK.length}\r\n\r\n`,
        ),
        Buffer.from(MILK),
      ]),
      UNSUPPORTED,
    ],
    ['a body with an empty type', create(''), UNSUPPORTED],
    ['a body with a type of spaces', create(' \t'), UNSUPPORTED],
    ['a Content-Type of 8 KiB', create(`application/json; a=${'b'.repeat(8192)}`), '201'],
    ['a Content-Type of 8 KiB of spaces before the semicolon', create(`application/json${' '.repeat(8192)}; charset=utf-8`), '201'],
    ['a Content-Type of 4,000 parameters', create(`application/json${';a=b'.repeat(3000)}`), '201'],
    ...['gzip', 'deflate', 'br', 'zstd', 'compress', 'x-gzip', 'GZIP', 'identity, gzip', 'gzip, identity', 'aes128gcm', '*', 'utf-8'].map(
      (coding): Attack => [`Content-Encoding: ${coding}`, create(JSON_TYPE, gzip, `Content-Encoding: ${coding}`), UNSUPPORTED],
    ),
    ['a body that is deflated', create(JSON_TYPE, deflateSync(MILK), 'Content-Encoding: deflate'), UNSUPPORTED],
    ['a body by Brotli', create(JSON_TYPE, brotliCompressSync(MILK), 'Content-Encoding: br'), UNSUPPORTED],
    [`64 MiB of nothing in ${bomb.length >> 10} KiB`, create(JSON_TYPE, bomb, 'Content-Encoding: gzip'), UNSUPPORTED],
    ['a compressed form', token(FORM, gzipSync(grant), 'Content-Encoding: gzip'), NO_FORM],
    ['a compressed body that does not say so', create(JSON_TYPE, gzip), '400 MALFORMED_REQUEST'],
    ['Content-Encoding: identity', create(JSON_TYPE, MILK, 'Content-Encoding: identity'), '201'],
    ...['text/html', 'application/xml', 'application/json;q=0', '*/*;q=0', 'x', ';', 'a/b/c', '*/json', '', `${'a/b,'.repeat(2000)}c/d`, '*/*'].map(
      (accept): Attack => [
        `Accept: ${accept.slice(0, 30)}, which decides nothing: there is only JSON`,
        requestOf('GET /api/v1/tasks', [authorization, `Accept: ${accept}`]),
        '200',
        (t, { headers }) => t.equal(headers.get('content-type'), 'application/json; charset=utf-8'),
      ],
    ),
    [
      'Accept: text/html on an error, which is no page',
      requestOf('GET /api/v1/tasks/<b>', ['Accept: text/html', authorization]),
      '422 path/taskId minLength',
      (t, { headers }) => t.equal(headers.get('content-type'), 'application/problem+json; charset=utf-8'),
    ],
    ...['gzip', 'br', 'identity;q=0', '*;q=0'].map(
      (coding): Attack => [
        `Accept-Encoding: ${coding}: nothing is compressed, so no length tells a secret (BREACH)`,
        requestOf('GET /api/v1/tasks', [authorization, `Accept-Encoding: ${coding}`]),
        '200',
        (t, { headers }) => t.equal(headers.get('content-encoding'), null),
      ],
    ),
    ['Accept-Charset: utf-7', requestOf('GET /api/v1/tasks', [authorization, 'Accept-Charset: utf-7']), '200'],
    ['Accept-Language: ../../etc/passwd', requestOf('GET /api/v1/tasks', [authorization, 'Accept-Language: ../../etc/passwd']), '200'],
    ['a Range of bytes', requestOf('GET /api/v1/tasks', [authorization, 'Range: bytes=0-0']), '200'],
    ['1,000 Ranges of the docs', requestOf('GET /openapi.json', [`Range: bytes=${'0-,'.repeat(1000)}0-`]), '200'],
  ]
  t.test('others', async (t) => expectVerdicts(t, url, others))

  expectNoDefects(t, logged)
})
