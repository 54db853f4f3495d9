import type { RequestListener } from 'node:http'
import { createServer } from 'node:net'
import t from 'tap'
import { startApp } from '../support/app.ts'
import { until } from '../support/jobs.ts'
import { createWebhook, deliverAll, LOCAL, listen, startReceiver } from './receivers.ts'

const NOTHING: RequestListener = () => undefined

/** Answers byte after byte, so that none of the time limits between two of them helps. */
const DRIPPING: RequestListener = (_request, response) => {
  response.writeHead(200).write('x')
  const drip = setInterval(() => response.write('x'), 100)
  response.on('close', () => clearInterval(drip))
}

t.test('a receiver', async (t) => {
  const app = await startApp(t, LOCAL)
  const { as, register } = app

  /** What the log says of one delivery to it. */
  const logOf = async (url: string) => {
    const ada = await register()
    const { params } = await createWebhook(app, ada, url)
    await as(ada)('createTask', { body: { title: 'Milk' }, expect: 201 })
    await deliverAll(app)
    const { body } = await as(ada)('listWebhookDeliveries', { params, expect: 200 })
    await as(ada)('deleteWebhook', { params, expect: 204 })
    return body.items[0]
  }

  t.test('that never answers is given up after ten seconds', async (t) => {
    const { url } = await startReceiver(t, NOTHING)
    t.match(await logOf(url), { status: 'retrying', responseStatus: null, error: 'It took longer than 10 seconds.' })
  })

  t.test('that answers without an end has answered: after a second it is cut off', async (t) => {
    const { url } = await startReceiver(t, DRIPPING)
    t.match(await logOf(url), { status: 'delivered', responseStatus: 200, responseBody: /^x{1,50}$/ })
  })

  t.test('that sends a head without an end is given up after ten seconds', async (t) => {
    const server = createServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n')
      const drip = setInterval(() => socket.write('X: y\r\n'), 100)
      socket.on('close', () => clearInterval(drip)).resume()
    })
    t.match(await logOf(await listen(t, server)), { status: 'retrying', error: 'It took longer than 10 seconds.' })
  })

  t.test('that answers what is no end of a request has not answered', async (t) => {
    for (const head of ['HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x', 'HTTP/1.1 099 Low\r\nContent-Length: 0']) {
      const server = createServer((socket) => void socket.on('error', () => undefined).end(`${head}\r\n\r\n`))
      t.match(await logOf(await listen(t, server)), { status: 'retrying', responseStatus: null, error: /^The (connection broke|answer is no HTTP)/ })
    }
  })

  t.test('that breaks the connection off, before or after its status', async (t) => {
    const reset = await startReceiver(t, (request) => void request.socket.resetAndDestroy())
    t.match(await logOf(reset.url), { status: 'retrying', error: 'The connection broke.' })
    const later = await startReceiver(t, (request, response) => {
      response.writeHead(503, { 'Content-Length': 100 }).write('half')
      setImmediate(() => request.socket.destroy())
    })
    t.match(await logOf(later.url), { status: 'retrying', responseStatus: 503 })
    t.match(await logOf('http://127.0.0.1:9'), { status: 'retrying', error: 'The connection was refused.' })
  })

  t.test('that answers 1 GB is cut off after 4 KiB', async (t) => {
    let sent = 0
    const closed = Promise.withResolvers<void>()
    const { url } = await startReceiver(t, (_request, response) => {
      response.on('close', closed.resolve)
      const chunk = Buffer.alloc(65_536, 'é')
      const flood = () => {
        while (sent < 2 ** 30 && !response.destroyed) {
          sent += chunk.length
          if (!response.write(chunk)) return void response.once('drain', flood)
        }
        response.end()
      }
      flood()
    })
    const log = await logOf(url)
    await closed.promise
    t.match(log, { status: 'delivered', responseStatus: 200, responseBody: 'é'.repeat(2048) })
    t.ok(sent < 2 ** 26, `${sent} bytes were sent`)
  })

  t.test('that answers with bytes that are no text, or half a character, is logged as text', async (t) => {
    const { url } = await startReceiver(
      t,
      (_request, response) =>
        void response.end(Buffer.concat([Buffer.from('a\0b'), Buffer.from([0xff, 0xfe]), Buffer.alloc(4090, 'x'), Buffer.from('€€')])),
    )
    t.match(await logOf(url), { status: 'delivered', responseBody: `a\ufffdb\ufffd\ufffd${'x'.repeat(4090)}` })
  })

  t.test('that redirects to an internal address is not followed', async (t) => {
    const internal = await startReceiver(t)
    for (const status of [301, 302, 303, 307, 308]) {
      const { url } = await startReceiver(t, (_request, response) => void response.writeHead(status, { Location: internal.url }).end())
      t.match(await logOf(url), { status: 'retrying', responseStatus: status, error: 'Redirects are not followed.' })
    }
    t.same(internal.received, [])
  })

  t.test('whose headers are huge, or that speaks no HTTP, or no TLS', async (t) => {
    const huge = await startReceiver(t, (_request, response) => void response.writeHead(200, { 'X-Huge': 'x'.repeat(100_000) }).end())
    t.match(await logOf(huge.url), { status: 'retrying', error: 'The answer is no HTTP, or its headers are too large.' })
    const gibberish = await listen(
      t,
      createServer((socket) => void socket.end('hello there, general\r\n\r\n')),
    )
    t.match(await logOf(gibberish), { status: 'retrying', error: 'The answer is no HTTP, or its headers are too large.' })
    const plain = await startReceiver(t)
    t.match(await logOf(plain.url.replace('http:', 'https:')), { status: 'retrying', error: 'TLS failed, or the certificate is not valid.' })
  })
})

t.test('hostile receivers do not keep a good one waiting', async (t) => {
  const app = await startApp(t, { ...LOCAL, JOBS: 'on' })
  const { as, register } = app
  const good = await startReceiver(t)
  const hostile = await Promise.all([NOTHING, DRIPPING].map((answer) => startReceiver(t, answer)))
  const people = [await register(), await register(), await register()]
  for (const person of people) for (let count = 0; count < 18; count++) await createWebhook(app, person, String(hostile[count % 2]?.url))
  const [ada] = people
  if (ada === undefined) return
  await createWebhook(app, ada, good.url)
  // One after the other they would take a quarter of an hour.
  const titles = Array.from({ length: 5 }, (_, count) => `Task ${count}`)
  for (const title of titles) for (const person of people) await as(person)('createTask', { body: { title }, expect: 201 })
  await until(() => good.received.length >= titles.length)
  t.same(
    good
      .events()
      .map((event) => event.type === 'task.created' && event.data.resource === 'task' && event.data.state?.title)
      .toSorted(),
    titles,
  )
})
