import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'

const HARD_STOP_MILLISECONDS = 10_000
const IDLE_SWEEP_MILLISECONDS = 100

/**
 * Stops serving without failing a request: `app.close()` alone resets connections. From now on every answer says `Connection: close`; after the
 * grace, in which load balancers notice that the instance is not ready, no new connection is taken, and running requests end.
 */
export async function drain(app: FastifyInstance, graceMilliseconds: number): Promise<void> {
  const { server } = app
  const hardStop = setTimeout(() => server.closeAllConnections(), HARD_STOP_MILLISECONDS - 1000)
  await sleep(graceMilliseconds)
  const sweep = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP_MILLISECONDS)
  await app.close()
  clearInterval(sweep)
  clearTimeout(hardStop)
}
