import type { LookupFunction } from 'node:net'
import { isIPv6 } from 'node:net'
import type { Destinations } from './destinations.ts'

// `import` would read everything that they export, and so load undici for their WebSocket: 12 MB and 30 ms in a process that does
// nothing else.
const http = process.getBuiltinModule('node:http')
const https = process.getBuiltinModule('node:https')

/** What became of a request: an answer, or in our own words why there is none. What an address that may not be called has answered is nobody's business. */
export type Outcome = Readonly<{ status: number; body: string } | { error: string }>

const CONNECT_MILLISECONDS = 3000
const TOTAL_MILLISECONDS = 10_000
/** Nobody waits for more of the answer than this after its status, which is what counts. */
const BODY_MILLISECONDS = 1000
/** How much of an answer is kept. */
const KEPT_BYTES = 4096

/** A failure whose text may be shown. */
class Failure extends Error {}

/**
 * Posts to a place of somebody else's choosing, which may be hostile: it follows no redirect, uses no proxy and no connection twice, reads no more of the
 * answer than it keeps and than comes within a second, and takes ten seconds at most.
 * @param signal ends it early; it rejects with the signal's reason then
 */
export async function post(
  destinations: Destinations,
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: string,
  signal: AbortSignal,
): Promise<Outcome> {
  const endsAt = performance.now() + TOTAL_MILLISECONDS
  const outOfTime = AbortSignal.timeout(CONNECT_MILLISECONDS)
  try {
    const addresses = await Promise.race([destinations.addressesOf(url, AbortSignal.any([signal, outOfTime])), undefinedWhen(outOfTime)])
    signal.throwIfAborted()
    if (addresses === undefined) return { error: 'The host has no address that may be called.' }
    return await exchange(url, addresses, { headers, body, signal, milliseconds: endsAt - performance.now() })
  } catch (error) {
    signal.throwIfAborted()
    return { error: wordsFor(error) }
  }
}

type Sending = Readonly<{ headers: Readonly<Record<string, string>>; body: string; signal: AbortSignal; milliseconds: number }>

function exchange(url: URL, addresses: readonly string[], { headers, body, signal, milliseconds }: Sending): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>()
  const lookup: LookupFunction = (_name, { all }, callback) => {
    const found = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }))
    if (all) callback(null, found)
    else callback(null, String(found[0]?.address), found[0]?.family)
  }
  const secure = url.protocol === 'https:'
  const request = (secure ? https : http).request(url, {
    method: 'POST',
    headers: { ...headers, 'Content-Length': Buffer.byteLength(body), 'Accept-Encoding': 'identity' },
    agent: false,
    lookup,
    signal,
  })
  const timers: NodeJS.Timeout[] = []
  const endAfter = (time: number, words: string) => {
    const timer = setTimeout(() => request.destroy(new Failure(words)), time)
    timers.push(timer)
    return timer
  }
  endAfter(milliseconds, 'It took longer than 10 seconds.')
  const connecting = endAfter(CONNECT_MILLISECONDS, 'No connection came about within 3 seconds.')
  request.on('socket', (socket) => {
    socket.once(secure ? 'secureConnect' : 'connect', () => clearTimeout(connecting))
  })
  request.on('error', reject)
  // After an answer that ends HTTP, such as 101, nothing else comes.
  const broken = () => reject(new Failure('The connection broke.'))
  request.on('close', broken)
  request.on('response', (response) => {
    if ((response.statusCode ?? 0) < 200) return void request.destroy(new Failure('The answer is no HTTP.'))
    const chunks: Buffer[] = []
    let length = 0
    // An answer that breaks off or never ends has been given all the same.
    const done = () => {
      resolve({ status: response.statusCode ?? 0, body: textOf(Buffer.concat(chunks)) })
      request.destroy()
    }
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk.subarray(0, KEPT_BYTES - length))
      length += chunk.length
      if (length >= KEPT_BYTES) done()
    })
    timers.push(setTimeout(done, BODY_MILLISECONDS))
    request.off('close', broken).off('error', reject).on('error', done)
    response.on('error', done)
    response.on('close', done)
  })
  request.end(body)
  return promise.finally(() => {
    for (const timer of timers) clearTimeout(timer)
  })
}

/** As text that the database can hold: without NUL, and without half a character at its end. */
const textOf = (bytes: Buffer) => new TextDecoder().decode(bytes, { stream: true }).replaceAll('\0', '\ufffd')

function wordsFor(error: unknown): string {
  if (error instanceof Failure) return error.message
  const code = String((error as { code?: unknown }).code)
  if (code === 'ECONNREFUSED') return 'The connection was refused.'
  if (code.startsWith('HPE_')) return 'The answer is no HTTP, or its headers are too large.'
  if (code === 'EPROTO' || /CERT|SSL|TLS|SIGNATURE|ISSUER/.test(code)) return 'TLS failed, or the certificate is not valid.'
  return 'The connection broke.'
}

const undefinedWhen = (signal: AbortSignal) =>
  new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
