import { type Context, inside } from '../context.ts'
import type { Handlers, Idempotency, KeyedRequest, Rendered } from '../contract/types.ts'
import type { Transaction } from '../database/database.ts'
import { recovering } from '../database/transactions.ts'
import { conflict, Problem } from '../problem.ts'
import { findRecord, type IdempotencyRecord, saveRecord, tryLockRequest } from './queries.ts'
import { type Outcome, Records } from './records.ts'
import { Turns } from './turns.ts'

const REPLAYED = { 'Idempotency-Replayed': 'true' }

/** About who asks, and how often: these may be answered otherwise when the request comes again. */
const PASSING = [401, 403, 429]

/**
 * Idempotency-Key, as in draft-ietf-httpapi-idempotency-key-header: what a request does and the record of its outcome are one transaction, so that neither
 * is there without the other. Whoever comes while that runs is turned away at once and holds no connection. Where nothing is answered, or 5xx, nothing is
 * kept, unless the answer was lost after the commit: then the record has it.
 *
 * A password that has to be proved is hashed inside the transaction. That is the price of one mechanism for all: it takes a connection for as long, and no
 * longer than a turn (src/database/server.ts). No user takes more than two connections with that.
 * @param handlersOver the handlers over another context
 */
export function createIdempotency(context: Context, handlersOver: (context: Context) => Handlers): Idempotency {
  const records = new Records(context.keys)
  const turns = new Turns()

  const outcomeOf = async (trx: Transaction, request: KeyedRequest, perform: (handlers: Handlers) => Promise<Rendered>): Promise<Outcome> => {
    const locked = await tryLockRequest(trx, request)
    const record = await findRecord(trx, request)
    if (record !== undefined) return replayOf(record, request)
    if (!locked) return inProgress()
    const outcome = await recovering(trx, () => perform(handlersOver(inside(context, trx)))).catch(problemOf)
    if (!PASSING.includes(outcome.status)) await saveRecord(trx, request, records.make(request, outcome))
    return outcome
  }

  const replayOf = (record: IdempotencyRecord, request: KeyedRequest): Outcome => {
    const outcome = records.open(record, request)
    // To carry it out once more could do twice what was asked for once.
    if (outcome === undefined)
      return conflict('This Idempotency-Key was used before, and its answer cannot be read any more. See what it did, or take another.')
    if (!records.matches(record, request)) return mismatch()
    const headers = { ...outcome.headers, ...REPLAYED }
    if (!(outcome instanceof Problem)) return { ...outcome, headers }
    return new Problem(outcome.code, outcome.message, { headers, ...(outcome.errors && { errors: outcome.errors }) })
  }

  return async (request, perform) => {
    const outcome = await turns.take(request.userId, () => context.db.transaction().execute((trx) => outcomeOf(trx, request, perform)))
    if (outcome instanceof Problem) throw outcome
    return outcome
  }
}

/** A problem of the client's making, which is committed with what was done before it, as it would be without a key. Anything else takes all back. */
function problemOf(error: unknown): Problem {
  if (error instanceof Problem && error.status < 500) return error
  throw error
}

const inProgress = () =>
  new Problem('IDEMPOTENCY_IN_PROGRESS', 'The request with this Idempotency-Key is still being carried out. Try again in a moment.', {
    headers: { 'Retry-After': '1' },
  })

const mismatch = () =>
  new Problem(
    'IDEMPOTENCY_MISMATCH',
    'This Idempotency-Key has been used for another request within the last 24 hours. Take a new one for each request.',
  )
