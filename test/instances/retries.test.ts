import { createServer, type Server } from 'node:http'
import t, { type Test } from 'tap'
import { startProxy } from '../support/proxy.ts'
import { listen } from '../webhooks/receivers.ts'

/** Stands for an instance that is ready. @param answers whether it answers anything else, or dies each time as if it had been killed */
async function startInstance(t: Test, answers: boolean): Promise<{ server: Server; url: string; received: string[] }> {
  const received: string[] = []
  const server = createServer((request, response) => {
    if (request.url === '/api/v1/health/ready') return void response.end('{}')
    received.push(String(request.headers['x-request-id']))
    if (answers) response.end('{}')
    else request.socket.destroy()
  })
  return { server, url: await listen(t, server), received }
}

t.test('what the proxy sends again', async (t) => {
  const living = await startInstance(t, true)
  const dying = await startInstance(t, false)
  const proxy = await startProxy(t, [living.url, dying.url])
  if (proxy === undefined) return
  const send = async (method: string, name: string) => {
    const headers = { 'X-Request-Id': name, 'Idempotency-Key': name }
    // On a connection that has had an answer before, HAProxy passes the end of the instance's connection on instead of a 502.
    const response = await fetch(`${proxy.url}/api/v1/tasks`, { method, headers }).catch(() => undefined)
    await response?.arrayBuffer()
    return response?.status ?? 502
  }
  const timesOf = (name: string) => [...living.received, ...dying.received].filter((received) => received === name).length

  await t.test('a GET that got no answer goes to another instance', async (t) => {
    for (let count = 0; count < 6; count++) t.equal(await send('GET', `reading-${count}`), 200)
    t.ok(dying.received.length >= 3, 'both were asked')
  })

  await t.test('anything else that may have been carried out does not', async (t) => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const statuses = []
      for (let count = 0; count < 4; count++) {
        statuses.push(await send(method, `${method}-writing-${count}`))
        t.equal(timesOf(`${method}-writing-${count}`), 1, `${method} arrives once`)
      }
      t.same(new Set(statuses), new Set([200, 502]), 'both were asked')
    }
  })

  await t.test('what could not be sent at all goes to another instance, a POST too', async (t) => {
    dying.server.close()
    dying.server.closeAllConnections()
    for (let count = 0; count < 6; count++) t.equal(await send('POST', `unsent-${count}`), 200)
  })
})
