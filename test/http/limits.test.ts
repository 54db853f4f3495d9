import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { startApp } from '../support/app.ts'
import { checkProblem } from '../support/contract-check.ts'
import { exchange } from './raw.ts'

t.test('limits', async (t) => {
  const { app, url, as } = await startApp(t)

  t.test('slow headers and slow bodies are closed, by the settings of the server', async (t) => {
    const { server } = app
    t.match(server, { headersTimeout: 5000, requestTimeout: 10_000, keepAliveTimeout: 65_000, maxHeaderSize: 16_384 })
    const interval = Object.getOwnPropertySymbols(server).find(({ description }) => description === 'http.server.connectionsCheckingInterval')
    t.ok(interval !== undefined)
    t.match((server as unknown as Record<symbol, unknown>)[interval as symbol], { _idleTimeout: 1000 })
    t.match(app.initialConfig, { bodyLimit: 262_144, routerOptions: { maxParamLength: 100 } })
  })

  // The same closing, with the time that is allowed cut down to nothing: what is waited for is the answer.
  const login = 'POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
  for (const [what, bytes] of Object.entries({
    'headers that do not end': 'GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n',
    'a body that does not end': `${login}Content-Length: 20\r\n\r\n{"username":`,
    'a chunked body that does not end': `${login}Transfer-Encoding: chunked\r\n\r\n2\r\n{"\r\n`,
  })) {
    t.test(`408 for ${what}`, async (t) => {
      const { app, url } = await startApp(t)
      Object.assign(app.server, { headersTimeout: 1, requestTimeout: 1 })
      const { status, headers, body } = await exchange(url, bytes)
      t.equal(status, 408)
      t.equal(headers.get('connection'), 'close')
      checkProblem(408, headers, body)
    })
  }

  t.test('a broken request behind a good one does not break into its answer', async (t) => {
    const asset = await fetch(`${url}/docs/static/swagger-ui-bundle.js`)
    const bytes = (await asset.arrayBuffer()).byteLength
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.write('GET /docs/static/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const [first] = await once(socket, 'data')
    socket.write('garbage\r\n\r\n')
    const chunks = [first]
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', () => undefined)
    await once(socket, 'close')
    const answer = Buffer.concat(chunks)
    const body = answer.subarray(answer.indexOf('\r\n\r\n') + 4)
    const second = body.indexOf('HTTP/1.1 400')
    t.ok(second === -1 || second === bytes, `${second} of ${bytes}`)
  })

  t.test('many connections that say nothing do not keep others out', async (t) => {
    const { hostname, port } = new URL(url)
    const silent = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const socket = connect(Number(port), hostname)
        await new Promise((resolve) => socket.once('connect', resolve))
        socket.on('error', () => undefined)
        return socket
      }),
    )
    t.equal((await as()('getLiveness', { expect: 200 })).body.status, 'ok')
    for (const socket of silent) socket.destroy()
  })
})
