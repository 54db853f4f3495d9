import { randomFill } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { setPriority } from 'node:os'

/** One alone would have everything else wait for each hash. */
const FEWEST_THREADS = 2
const LOW_PRIORITY = 15

/**
 * Starts the threads that hash passwords: as many as may be hashed at once, since each keeps the memory that its last hash took, unless UV_THREADPOOL_SIZE
 * says otherwise (on Windows it alone has a say). On Linux, where each thread has a priority of its own, they give way to the one that serves requests:
 * 50 logins at once must not make every reader wait. libuv starts them at their first use; where there has been one before, everything stays as it is.
 * @param hashes how many passwords are hashed at once
 */
export function startThreadPool(hashes: number): void {
  // biome-ignore lint/style/noProcessEnv: libuv reads it there.
  process.env['UV_THREADPOOL_SIZE'] ||= String(Math.max(FEWEST_THREADS, hashes))
  const before = threadIds()
  randomFill(new Uint8Array(1), () => undefined)
  for (const id of threadIds()) if (!before.includes(id)) setPriority(id, LOW_PRIORITY)
}

const threadIds = () => (process.platform === 'linux' ? readdirSync('/proc/self/task').map(Number) : [])
