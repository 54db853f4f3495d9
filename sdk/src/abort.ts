/** The promise, unless the signal aborts first: then its reason, as with fetch. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout>
  const waited = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds)
  })
  return abortable(waited, signal).finally(() => clearTimeout(timer))
}

/** A timer of more milliseconds would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1

/**
 * Does the work under a signal that aborts with the given one, or by itself with `expired()` when the time is over. AbortSignal.any and
 * AbortSignal.timeout would do, but the one is not in Node.js 20.0 and the other leaves a timer behind after each call.
 */
export async function within<T>(
  milliseconds: number,
  outer: AbortSignal | undefined,
  expired: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  outer?.throwIfAborted()
  const controller = new AbortController()
  const abort = () => controller.abort(outer?.reason)
  outer?.addEventListener('abort', abort)
  const timer = milliseconds > LONGEST_TIMER ? undefined : setTimeout(() => controller.abort(expired()), milliseconds)
  try {
    return await work(controller.signal)
  } finally {
    clearTimeout(timer)
    outer?.removeEventListener('abort', abort)
  }
}
