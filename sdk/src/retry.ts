import { DocketConnectionError, DocketError } from './errors.js'

const FIRST_BACKOFF = 250
const LONGEST_BACKOFF = 8_000

/** A server that asks for more is not asked again: to come back earlier than it said would help nobody, and to hang for so long neither. */
const LONGEST_RETRY_AFTER = 30_000

/**
 * Whether a request that failed may be sent again. One that was refused with 429 (RFC 6585 §4) always may: nothing has been done. After 503 that is not
 * so: the server also answers it when the connection to its database breaks while it waits to hear that the change was made. It leaves as much open as
 * no answer at all, and after either only what does no harm when it is done twice is repeated: everything but
 *
 * - POST, which would make two of a kind, save where it is `harmless`, or has an Idempotency-Key: then it is answered as it was the first time, or with
 *   409 while that is still being carried out;
 * - PATCH with `If-Match`: the second would be refused (412) because of the first, and somebody else would seem to be in the way. Any other PATCH is a
 *   merge patch, which sets values (RFC 7396).
 *
 * A DELETE that is repeated although the first got through ends with 404.
 */
export function mayRepeat(failure: Error, { method, headers }: Request, harmless: boolean): boolean {
  const status = failure instanceof DocketError ? failure.status : undefined
  if (status === 429) return true
  if (failure instanceof DocketError && failure.code === 'IDEMPOTENCY_IN_PROGRESS') return true
  if (status !== 503 && !(failure instanceof DocketConnectionError)) return false
  return harmless || (method === 'PATCH' ? !headers.has('if-match') : method !== 'POST' || headers.has('idempotency-key'))
}

/** Milliseconds to wait before the next try, or undefined when that is too long. With full jitter: those who were refused together do not come back together. */
export function delayBeforeRetry(failure: Error, retries: number): number | undefined {
  return askedFor(failure) > LONGEST_RETRY_AFTER ? undefined : backoff(failure, retries)
}

/** The same, however long it is. */
export function backoff(failure: Error, retries: number): number {
  return askedFor(failure) + Math.random() * Math.min(FIRST_BACKOFF * 2 ** retries, LONGEST_BACKOFF)
}

const askedFor = (failure: Error) => (failure instanceof DocketError ? retryAfter(failure.headers) : 0)

/** RFC 9110 §10.2.3: seconds or a date. What is neither counts as absent. */
function retryAfter(headers: Headers): number {
  const value = headers.get('retry-after') ?? ''
  const milliseconds = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return milliseconds > 0 ? milliseconds : 0
}
