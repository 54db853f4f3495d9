import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

/**
 * Has the threads that hash passwords give way to the one that serves requests: 50 logins at once must not make every reader wait. libuv starts its
 * threads at their first use, and on Linux they inherit the priority of the thread that does so. Elsewhere, or where a thread has been used before,
 * everything stays as it is. To be called first of all.
 */
export async function lowerThreadPoolPriority(): Promise<void> {
  const worker = new Worker(FIRST_USE, { eval: true })
  await once(worker, 'exit')
}

const FIRST_USE = `
  if (process.platform === 'linux') {
    require('node:os').setPriority(0, 15)
    require('node:crypto').randomFill(new Uint8Array(1), () => undefined)
  }
`
