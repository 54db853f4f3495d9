import t from 'tap'
import { operations } from '../../generated/operations.ts'
import { everyHandler, OPERATIONS, serve } from '../contract/walk.ts'
import { startApp, testConfig } from '../support/app.ts'
import { exchange } from './raw.ts'

const APP = 'https://app.example.com'
const LOCAL = 'http://localhost:5173'

const corsHeadersOf = ({ headers }: { headers: Headers }) => [...headers].filter(([name]) => name.startsWith('access-control-'))
const preflight = (origin: string, method: string, headers = 'authorization,content-type') => ({
  method: 'OPTIONS',
  headers: { Origin: origin, 'Access-Control-Request-Method': method, 'Access-Control-Request-Headers': headers },
})

t.test('CORS', async (t) => {
  t.test('by default: no origin may do anything, and there is no word of it', async (t) => {
    const { url } = await startApp(t)
    for (const origin of [APP, LOCAL, 'null', url]) {
      for (const path of ['/api/v1/health', '/api/v1/tasks', '/nowhere', '/openapi.json']) {
        t.same(corsHeadersOf(await fetch(url + path, { headers: { Origin: origin } })), [], path)
        t.same(corsHeadersOf(await fetch(url + path, preflight(origin, 'GET'))), [], path)
      }
    }
  })

  t.test('with CORS_ORIGINS', async (t) => {
    const { url, register, context } = await startApp(t, { CORS_ORIGINS: `${APP}, ${LOCAL}` })
    const ada = await register()
    const broken = await serve(t, context, (handlers) =>
      everyHandler(handlers, async () => {
        throw new Error('a defect')
      }),
    )

    t.test('every answer to a listed origin can be read by its pages, errors as well', async (t) => {
      const authorization = { Authorization: `Bearer ${ada.accessToken}` }
      const requests: readonly [status: number, path: string, init?: RequestInit, server?: string][] = [
        [200, '/api/v1/health'],
        [200, '/api/v1/tasks', { headers: authorization }],
        [200, '/openapi.json'],
        [400, '/api/v1/health?a=%ff'],
        [401, '/api/v1/tasks'],
        [403, '/api/v1/admin/users', { headers: authorization }],
        [404, '/nowhere'],
        [404, '/nowhere', { method: 'POST', body: 'x' }],
        [405, '/api/v1/tasks', { method: 'DELETE' }],
        [415, '/api/v1/auth/login', { method: 'POST', body: 'x' }],
        [422, '/api/v1/health?a=b'],
        [431, '/api/v1/health', { headers: Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`x-${index}`, ''])) }],
        [500, '/api/v1/health', {}, broken],
      ]
      for (const origin of [APP, LOCAL]) {
        for (const [status, path, init, server = url] of requests) {
          const response = await fetch(server + path, { ...init, headers: { ...init?.headers, Origin: origin } })
          t.equal(response.status, status, path)
          t.equal(response.headers.get('access-control-allow-origin'), origin, path)
          t.match(response.headers.get('vary'), /\bOrigin\b/i, path)
          t.equal(response.headers.get('access-control-allow-credentials'), null, path)
          const exposed = response.headers.get('access-control-expose-headers')?.toLowerCase().split(', ') ?? []
          const names = [
            'deprecation',
            'etag',
            'idempotency-replayed',
            'link',
            'location',
            'ratelimit',
            'ratelimit-policy',
            'retry-after',
            'sunset',
            'www-authenticate',
            'x-request-id',
          ]
          t.strictSame(exposed.toSorted(), names)
        }
      }
    })

    t.test('no other origin may read anything, however like it looks', async (t) => {
      const others = [
        'null',
        'https://app.example.com.evil.example',
        'https://evil.example/https://app.example.com',
        'http://app.example.com',
        '',
      ].concat(
        [
          'https://APP.example.com',
          'https://app.example.com:443',
          'https://app.example.com:8443',
          'https://app.example.com/',
          'https://xapp.example.com',
        ],
        ['https://app-example.com', 'https://sub.app.example.com', 'http://localhost:51730', 'http://localhost', `${APP}, ${LOCAL}`, '*', url],
      )
      for (const origin of others) {
        for (const init of [{ headers: { Origin: origin } }, preflight(origin, 'PATCH')]) {
          const { headers } = await fetch(`${url}/api/v1/health`, init)
          t.equal(headers.get('access-control-allow-origin'), null, origin)
          t.equal(headers.get('access-control-allow-credentials'), null, origin)
          t.match(headers.get('vary'), /\bOrigin\b/i, origin)
        }
      }
      t.equal((await fetch(`${url}/api/v1/health`)).headers.get('access-control-allow-origin'), null)
    })

    t.test('two Origins are none', async (t) => {
      const head = `GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: ${APP}\r\nOrigin: https://evil.example\r\n\r\n`
      t.not((await exchange(url, head)).headers.get('access-control-allow-origin'), 'https://evil.example')
    })

    for (const id of OPERATIONS) {
      const { method, path } = operations[id]
      t.test(`${id}: the preflight of a listed origin is allowed, without a token`, async (t) => {
        const target = `${url}/api/v1${path.replaceAll(/[{}]/g, '')}`
        const response = await fetch(
          target,
          preflight(APP, method, 'authorization,content-type,idempotency-key,if-match,if-none-match,last-event-id,x-request-id'),
        )
        t.equal(response.status, 204)
        t.equal(response.headers.get('access-control-allow-origin'), APP)
        t.ok(response.headers.get('access-control-allow-methods')?.split(', ').includes(method))
        const allowed = response.headers.get('access-control-allow-headers')?.toLowerCase().split(', ') ?? []
        t.strictSame(allowed.toSorted(), [
          'authorization',
          'content-type',
          'idempotency-key',
          'if-match',
          'if-none-match',
          'last-event-id',
          'x-request-id',
        ])
        t.equal(response.headers.get('access-control-max-age'), '600')
        t.match(response.headers.get('allow'), method)
        t.equal(await response.text(), '')
      })
    }

    t.test('a preflight of a path that is not there: 404', async (t) => {
      t.equal((await fetch(`${url}/nowhere`, preflight(APP, 'GET'))).status, 404)
      t.equal((await fetch(`${url}/nowhere`, { method: 'OPTIONS' })).status, 404)
    })

    t.test('OPTIONS without a preflight: 204 with Allow', async (t) => {
      const response = await fetch(`${url}/api/v1/tasks`, { method: 'OPTIONS' })
      t.equal(response.status, 204)
      t.equal(response.headers.get('allow'), 'GET, HEAD, OPTIONS, POST')
    })
  })

  t.test('CORS_ORIGINS: no wildcard, no null, nothing but origins', async (t) => {
    for (const origins of [
      '*',
      'null',
      'https://*.example.com',
      'app.example.com',
      'https://app.example.com/',
      'https://APP.example.com',
      `${APP},*`,
    ]) {
      t.throws(() => testConfig(undefined, { CORS_ORIGINS: origins }), { message: /CORS_ORIGINS must list origins/ }, origins)
    }
    for (const origins of [
      'file:///',
      'chrome-extension://abc',
      'https://user@app.example.com',
      'https://app.example.com?x',
      'https://app.example.com:443',
    ]) {
      t.throws(() => testConfig(undefined, { CORS_ORIGINS: origins }), { message: /CORS_ORIGINS must list origins/ }, origins)
    }
    t.strictSame(testConfig(undefined, { CORS_ORIGINS: ` ${APP} ,${LOCAL},` }).corsOrigins, [APP, LOCAL])
  })
})
