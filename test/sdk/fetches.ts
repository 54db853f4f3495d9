export type Fetch = (request: Request) => Promise<Response>

/** A fetch that keeps what passes through it. */
export type RecordingFetch = Readonly<{
  fetch: Fetch
  requests: readonly Request[]
  /** The requests as `POST /auth/token`, without the query. */
  calls(): string[]
}>

export function recording(fetch: Fetch = globalThis.fetch): RecordingFetch {
  const requests: Request[] = []
  return {
    async fetch(request) {
      requests.push(request.clone())
      return fetch(request)
    },
    requests,
    calls: () => requests.map(({ method, url }) => `${method} ${new URL(url).pathname.replace('/api/v1', '')}`),
  }
}

/** A server that gives these answers, or breaks down with these errors, one after the other, the last one for ever. */
export function scripted(...script: readonly (() => Response | Error)[]): RecordingFetch {
  let next = 0
  return recording(async () => {
    const answer = script[Math.min(next++, script.length - 1)]?.()
    if (answer instanceof Response) return answer
    throw answer
  })
}

export const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  Response.json(body, { status, headers: { 'X-Request-Id': 'request-1', ...headers } })

export const problem = (status: number, code: string, headers: Record<string, string> = {}) =>
  json(
    status,
    { type: 'urn:docket:problem:test', title: 'Title', status, detail: 'Detail.', code, requestId: 'request-1' },
    { 'Content-Type': 'application/problem+json; charset=utf-8', ...headers },
  )
