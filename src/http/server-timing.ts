import type { FastifyInstance, FastifyRequest } from 'fastify'
import { StatementTimes, timeStatements } from '../database/statement-times.ts'

/**
 * Says in each answer how long it took, and the statements behind it, where browsers show it (W3C Server-Timing): for development, since strangers could
 * learn from it.
 * @param origins whose pages may read it besides the person at the browser
 */
export function tellTimes(app: FastifyInstance, origins: readonly string[]): void {
  const timesOf = new WeakMap<FastifyRequest, StatementTimes>()
  app.addHook('onRequest', (request, _reply, done) => {
    const times = new StatementTimes()
    timesOf.set(request, times)
    timeStatements(times, done)
  })
  // Reading the body has lost the context that was entered before it.
  app.addHook('preHandler', (request, _reply, done) => timeStatements(timesOf.get(request) ?? new StatementTimes(), done))
  app.addHook('onSend', (request, reply, payload, done) => {
    const { statements, milliseconds } = timesOf.get(request) ?? new StatementTimes()
    const count = `${statements} ${statements === 1 ? 'statement' : 'statements'}`
    reply.header('Server-Timing', `db;dur=${milliseconds.toFixed(1)};desc="${count}", total;dur=${reply.elapsedTime.toFixed(1)}`)
    const { origin } = request.headers
    if (origin !== undefined && origins.includes(origin)) reply.header('Timing-Allow-Origin', origin)
    done(null, payload)
  })
}
