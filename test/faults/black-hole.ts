import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'

/**
 * A way to a PostgreSQL server that can become a black hole, as when a router dies: what was connected then, or tries to connect, hears nothing more
 * for ever. Once restored, it lets new connections through.
 */
export type BlackHole = Readonly<{
  url: string
  swallow(): void
  restore(): void
  /** Keeps back what is sent to the server. */
  hold(): void
  release(): void
}>

export async function startBlackHole(t: Test, target: string): Promise<BlackHole> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let holes = 0
  const held: (() => void)[] = []
  let holding = false
  let open = true
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    const before = open ? holes : -1
    const passes = () => before === holes
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('data', (data) => {
        if (holding && to === far) held.push(() => to.write(data))
        else if (passes()) to.write(data)
      })
      from.on('error', () => undefined)
      from.on('close', () => {
        sockets.delete(from)
        if (holding) held.push(() => to.end())
        else if (passes()) to.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const url = new URL(target)
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    swallow() {
      open = false
      holes += 1
    },
    restore() {
      open = true
    },
    hold() {
      holding = true
    },
    release() {
      holding = false
      for (const send of held.splice(0)) send()
    },
  }
}
