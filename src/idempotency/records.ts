import { createHmac, timingSafeEqual } from 'node:crypto'
import type { KeyedRequest, Rendered } from '../contract/types.ts'
import type { KeyRing, Keys } from '../keys.ts'
import { Problem } from '../problem.ts'
import { SealedBytes } from '../sealed-bytes.ts'
import type { IdempotencyRecord } from './queries.ts'

/** What became of a request: an answer, or a problem that its handler threw. */
export type Outcome = Rendered | Problem

type Stored = Readonly<{ answer: Rendered }> | Readonly<{ problem: Pick<Problem, 'code' | 'headers' | 'errors'> & Readonly<{ detail: string }> }>

/**
 * What is kept of requests and their outcomes. Neither can be read, or guessed at, with what the database holds: answers may hold secrets, such as those
 * of API tokens, and requests passwords, of which a plain hash would be a fast one.
 */
export class Records {
  readonly #fingerprintKeys: KeyRing
  readonly #answers: SealedBytes

  constructor({ idempotencyFingerprint, idempotencyAnswer }: Keys) {
    this.#fingerprintKeys = idempotencyFingerprint
    this.#answers = new SealedBytes(idempotencyAnswer)
  }

  make(request: KeyedRequest, outcome: Outcome): IdempotencyRecord {
    const [current] = this.#fingerprintKeys
    const answer = Buffer.from(JSON.stringify(storedFrom(outcome)))
    return { fingerprint: fingerprintOf(request, current.bytes), answer: this.#answers.seal(answer, placeOf(request)) }
  }

  /** Whether a record is of the same request. */
  matches({ fingerprint }: IdempotencyRecord, request: KeyedRequest): boolean {
    return this.#fingerprintKeys.some(({ bytes }) => timingSafeEqual(fingerprint, fingerprintOf(request, bytes)))
  }

  /** The outcome that a record keeps, undefined when its key is not in use any more. */
  open({ answer }: IdempotencyRecord, request: KeyedRequest): Outcome | undefined {
    const opened = this.#answers.open(answer, placeOf(request))
    return opened && outcomeFrom(JSON.parse(opened.toString()))
  }
}

const placeOf = ({ userId, operation, key }: KeyedRequest) => `${userId} ${operation} ${key}`

const fingerprintOf = ({ input }: KeyedRequest, key: Buffer) => createHmac('sha256', key).update(canonical(input)).digest()

/** JSON in which the order of an object's fields makes no difference. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, inner) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
  })

function storedFrom(outcome: Outcome): Stored {
  if (!(outcome instanceof Problem)) return { answer: outcome }
  const { code, message: detail, headers, errors } = outcome
  return { problem: { code, detail, headers, errors } }
}

function outcomeFrom(stored: Stored): Outcome {
  if ('answer' in stored) return stored.answer
  const { code, detail, headers, errors } = stored.problem
  return new Problem(code, detail, { headers, ...(errors && { errors }) })
}
