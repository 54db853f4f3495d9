import t from 'tap'
import { Destinations } from '../../src/webhooks/destinations.ts'
import { startApp } from '../support/app.ts'
import { createWebhook, deliverAll, LOCAL, startReceiver } from './receivers.ts'

/** Addresses that only this machine or its network can reach, or that hide one that is. */
const INTERNAL_ADDRESSES = [
  ...['127.0.0.1', '127.255.255.254', '0.0.0.0', '0.1.2.3', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '169.254.169.254'],
  ...['100.64.0.1', '192.0.0.1', '192.0.2.1', '198.18.0.1', '198.51.100.7', '203.0.113.9', '224.0.0.1', '240.0.0.1', '255.255.255.255'],
  ...['::', '::1', 'fe80::1', 'fc00::1', 'fd12:3456::1', 'fec0::1', 'ff02::1', '100::1', '2001:db8::1', '3fff::1', '5f00::1', '4000::1'],
  ...[
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '::127.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::7f00:1',
    '2002:7f00:1::',
    '2001:0:4136:e378:8000:63bf:807f:fffe',
  ],
]
const PUBLIC_ADDRESSES = ['93.184.215.14', '8.8.8.8', '2606:2800:21f:cb07:6820:80da:af6b:8b2c']

/** Other ways to write an internal address, as text of a URL. */
const INTERNAL_URLS = [
  ...[
    '127.1',
    '0x7f000001',
    '0x7f.1',
    '2130706433',
    '0177.0.0.1',
    '017700000001',
    '127.0.0.1.',
    '0',
    '0x0',
    '１２７.０.０.１',
    '①②⑦.0.0.1',
    '127。0。0。1',
    '%31%32%37.0.0.1',
  ],
  ...[
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:ffff:127.0.0.1]',
    '[0000::1]',
    'localhost',
    'LOCALHOST',
    'localhost.',
    'api.localhost',
    '3232235777',
    '0xa9fea9fe',
  ],
].map((host) => `https://${host}/hook`)

const never = AbortSignal.timeout(60_000)
const literal = (address: string) => new URL(`https://${address.includes(':') ? `[${address}]` : address}/hook`)

t.test('destinations', async (t) => {
  const asked: string[] = []
  const resolving = (...answers: (readonly string[])[]) =>
    new Destinations([], async (name) => {
      asked.push(name)
      return answers.shift() ?? []
    })
  const strict = resolving()

  t.test('no internal address, however it is written', async (t) => {
    for (const url of [...INTERNAL_ADDRESSES.map(literal), ...INTERNAL_URLS.map((url) => new URL(url))]) {
      t.equal(strict.faultOf(url), 'must not lead to a private, local or reserved address', url.href)
      t.equal(await strict.addressesOf(url, never), undefined, url.href)
    }
    t.same(asked, [], 'none of them was looked up')
  })

  t.test('public addresses and names, by https on port 443 or 8443', async (t) => {
    for (const url of PUBLIC_ADDRESSES.map(literal)) t.equal(strict.faultOf(url), undefined, url.href)
    for (const url of ['https://example.com/', 'https://example.com:443/', 'https://example.com:8443/?a=b'])
      t.equal(strict.faultOf(new URL(url)), undefined)
    for (const port of [1, 22, 80, 444, 8080, 65_535])
      t.equal(strict.faultOf(new URL(`https://example.com:${port}/`)), 'must have the port 443 or 8443')
    for (const url of ['http://example.com/', 'http://example.com:443/', 'ftp://example.com/', 'file:///etc/passwd', 'ws://example.com/']) {
      t.equal(strict.faultOf(new URL(url)), 'must begin with https://')
    }
  })

  t.test('no name that has an internal address, also beside others', async (t) => {
    for (const address of INTERNAL_ADDRESSES) {
      t.equal(await resolving([address]).addressesOf(new URL('https://example.com/'), never), undefined, address)
      t.equal(await resolving([...PUBLIC_ADDRESSES, address]).addressesOf(new URL('https://example.com/'), never), undefined, address)
    }
    t.equal(await resolving([]).addressesOf(new URL('https://example.com/'), never), undefined)
    t.same(await resolving(PUBLIC_ADDRESSES).addressesOf(new URL('https://example.com/'), never), PUBLIC_ADDRESSES)
  })

  t.test('the networks that the operator has allowed, by http and to any port as well, and no others', async (t) => {
    const open = new Destinations(['127.0.0.0/8', '::1', '10.1.0.0/16'], async () => ['10.1.2.3'])
    for (const url of [
      'http://127.0.0.1:8080/',
      'http://[::1]:3000/',
      'http://[::ffff:127.0.0.1]/',
      'https://10.1.255.1:22/',
      'http://localhost:9/',
      'http://receiver.internal/',
    ]) {
      t.equal(open.faultOf(new URL(url)), undefined, url)
      t.ok(await open.addressesOf(new URL(url), never), url)
    }
    for (const url of ['https://10.2.0.1/', 'https://192.168.0.1/', 'https://169.254.169.254/', 'https://[fe80::1]/', 'https://[64:ff9b::7f00:1]/']) {
      t.equal(open.faultOf(new URL(url)), 'must not lead to a private, local or reserved address', url)
      t.equal(await open.addressesOf(new URL(url), never), undefined, url)
    }
    t.equal(open.faultOf(new URL('http://8.8.8.8/')), 'must begin with https://')
    const outside = new Destinations(['127.0.0.0/8'], async () => PUBLIC_ADDRESSES)
    t.equal(await outside.addressesOf(new URL('http://example.com/'), never), undefined, 'by http only into what is allowed')
    t.equal(await outside.addressesOf(new URL('https://example.com:22/'), never), undefined)
    t.same(await outside.addressesOf(new URL('https://example.com/'), never), PUBLIC_ADDRESSES)
  })
})

t.test('createWebhook and updateWebhook: 422 naming /url', async (t) => {
  const app = await startApp(t)
  const { as, register } = app
  const ada = await register()
  const { params } = await createWebhook(app, ada, 'https://example.com/hook')
  const urls = [
    ...INTERNAL_URLS,
    ...INTERNAL_ADDRESSES.map((address) => literal(address).href),
    ...[
      'http://example.com/',
      'https://example.com:22/',
      'ftp://example.com/',
      'https://ada:secret@example.com/',
      'https://ada@example.com/',
      'https:example.com',
    ],
    ...[
      'example.com',
      'https://',
      'https:///x',
      'https://exa mple.com/',
      'https://example.com\\@127.0.0.1/',
      'javascript:alert(1)',
      `https://example.com/${'x'.repeat(2048)}`,
    ],
  ]
  for (const url of urls) {
    t.match(
      await as(ada)('createWebhook', { body: { url, events: ['task.created'] } }),
      { status: 422, body: { errors: [{ in: 'body', path: '/url' }] } },
      url,
    )
    t.match(await as(ada)('updateWebhook', { params, body: { url } }), { status: 422, body: { errors: [{ in: 'body', path: '/url' }] } }, url)
  }
})

t.test('a name that leads to an internal address when it is called', async (t) => {
  const app = await startApp(t)
  const { as, context, register } = app
  const ada = await register()
  const internal = await startReceiver(t)
  const { params } = await createWebhook(app, ada, 'https://rebinding.example.com/hook')
  // Allowed where it was created, as on a server whose operator has changed their mind.
  await context.db
    .updateTable('webhooks')
    .set({ url: internal.url.replace('127.0.0.1', 'rebinding.example.com') })
    .execute()
  await as(ada)('createTask', { body: { title: 'Milk' }, expect: 201 })

  const logs: unknown[] = []
  for (const answer of [['127.0.0.1'], [], ['10.0.0.1'], ['93.184.215.14', '127.0.0.1']]) {
    await deliverAll(app, { resolve: async () => answer })
    const { body } = await as(ada)('listWebhookDeliveries', { params, expect: 200 })
    logs.push(body.items.map(({ error, responseStatus, responseBody }) => ({ error, responseStatus, responseBody })))
  }
  const refused = [{ error: 'The host has no address that may be called.', responseStatus: null, responseBody: null }]
  t.same(logs, [refused, refused, refused, refused], 'told like one that has no address')
  t.same(internal.received, [])
})

t.test('a name is looked up once for each try, and connected to where it was found', async (t) => {
  const app = await startApp(t, LOCAL)
  const { as, register } = app
  const ada = await register()
  const [right, wrong] = [await startReceiver(t), await startReceiver(t)]
  await createWebhook(app, ada, right.url.replace('127.0.0.1', 'moving.example.com'))
  await as(ada)('createTask', { body: { title: 'Milk' }, expect: 201 })
  // The second look finds another: whoever looked twice would be led there.
  const answers = [['127.0.0.1'], ['127.0.0.2']]
  t.same(await deliverAll(app, { resolve: async () => answers.shift() ?? [] }), [])
  t.equal(right.received.length, 1)
  t.equal(right.received[0]?.headers.host, new URL(right.url).host.replace('127.0.0.1', 'moving.example.com'))
  t.equal(answers.length, 1)
  t.same(wrong.received, [])
})
