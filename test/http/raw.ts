import { connect } from 'node:net'
import { setImmediate } from 'node:timers/promises'

/** What a server wrote to a socket before it closed it. */
export type RawAnswer = Readonly<{ status: number; headers: Headers; body: string }>

/**
 * Writes bytes to the server as they are, and reads until the server closes the connection: for requests that no HTTP client would send. A request
 * that leaves the connection open must ask for `Connection: close`.
 */
export function exchange(baseUrl: string, bytes: string | Buffer): Promise<RawAnswer> {
  const { hostname, port } = new URL(baseUrl)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(Number(port), hostname, () => socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes))
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', reject)
    socket.setTimeout(30_000, () => socket.destroy(new Error('The server neither answers nor closes the connection.')))
    socket.on('close', () => resolve(parseAnswer(Buffer.concat(chunks).toString())))
  })
}

function parseAnswer(text: string): RawAnswer {
  const end = text.indexOf('\r\n\r\n')
  const [statusLine = '', ...lines] = text.slice(0, Math.max(end, 0)).split('\r\n')
  const headers = new Headers(lines.map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]))
  return { status: Number(statusLine.split(' ')[1] ?? 0), headers, body: end < 0 ? '' : text.slice(end + 4) }
}

/** The lines that the access log has of a request. An answer may arrive a moment before its line is written. */
export async function accessLines(logged: readonly Record<string, unknown>[], requestId: string): Promise<Record<string, unknown>[]> {
  const lines = () => logged.filter((line) => line['requestId'] === requestId && line['status'] !== undefined)
  for (let turn = 0; turn < 1000 && lines().length === 0; turn += 1) await setImmediate()
  return lines()
}
