import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'

/** So that connections can be closed before the process ends by force (lifetime.ts). */
const HARD_STOP_MILLISECONDS = 8000
const IDLE_SWEEP_MILLISECONDS = 100

/**
 * Watches for connections on which nothing has arrived yet, such as the spare ones of browsers: Node does not count them as idle.
 * @returns what closes them
 */
export function watchSilentConnections(server: Server): () => void {
  const connections = new Set<Socket>()
  server.on('connection', (socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  return () => {
    for (const socket of connections) if (socket.bytesRead === 0) socket.destroy()
  }
}

/**
 * Stops serving without failing a request: `app.close()` alone resets connections. From now on every answer says `Connection: close`; after the
 * grace, in which load balancers notice that the instance is not ready, no new connection is taken, and running requests end.
 */
export async function drain(app: FastifyInstance, graceMilliseconds: number, closeSilentConnections: () => void): Promise<void> {
  const { server } = app
  const hardStop = setTimeout(() => server.closeAllConnections(), HARD_STOP_MILLISECONDS)
  await sleep(graceMilliseconds)
  const sweep = setInterval(() => {
    server.closeIdleConnections()
    closeSilentConnections()
  }, IDLE_SWEEP_MILLISECONDS)
  await app.close()
  clearInterval(sweep)
  clearTimeout(hardStop)
}
