import type { WebhookEvent } from './generated/types.gen.js'

/** The request is not one that Docket has signed with any of the secrets, or an old one. The message says what is wrong with it. */
export class WebhookVerificationError extends Error {
  override name = 'WebhookVerificationError'
}

/** How far a request may be off: whoever has caught one cannot send it again later. Seconds. */
const TOLERANCE = 300
const PREFIX = 'whsec_'

type HeadersOf = Headers | Readonly<Record<string, string | readonly string[] | undefined>>

/**
 * Reads what has come in for a webhook (Standard Webhooks). The bytes are what is signed: give the body as it came, not parsed and written again.
 * @param payload the body, as text or bytes
 * @param headers of the request, those of Fetch or those of Node
 * @param secrets `whsec_…`; of several, any may have signed, as long as a secret is being replaced
 * @throws WebhookVerificationError for what was not signed so, or more than five minutes ago
 */
export async function verifyWebhook(payload: string | Uint8Array, headers: HeadersOf, secrets: string | readonly string[]): Promise<WebhookEvent> {
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => headerOf(headers, name))
  if (!id || !timestamp || !signatures) throw new WebhookVerificationError('A header is missing: webhook-id, webhook-timestamp or webhook-signature.')
  const age = /^\d{1,12}$/.test(timestamp) ? Date.now() / 1000 - Number(timestamp) : Number.NaN
  if (!(Math.abs(age) <= TOLERANCE)) throw new WebhookVerificationError('The webhook-timestamp is more than five minutes off.')

  const body = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload
  const head = new TextEncoder().encode(`${id}.${timestamp}.`)
  const signed = new Uint8Array(head.length + body.length)
  signed.set(head)
  signed.set(body, head.length)
  for (const secret of [secrets].flat()) {
    const key = await crypto.subtle.importKey('raw', keyOf(secret), { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
    for (const signature of signatures.split(' ')) {
      const bytes = signature.startsWith('v1,') ? bytesOf(signature.slice(3)) : undefined
      // It compares in constant time.
      if (bytes !== undefined && (await crypto.subtle.verify('HMAC', key, bytes, signed)))
        return JSON.parse(new TextDecoder().decode(body)) as WebhookEvent
    }
  }
  throw new WebhookVerificationError('No webhook-signature fits.')
}

function headerOf(headers: HeadersOf, name: string): string | undefined {
  if (headers instanceof Headers) return headers.get(name) ?? undefined
  const value = Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1]
  return typeof value === 'string' ? value : value?.join(' ')
}

/** @throws TypeError for what is no secret of a webhook: that is not the sender's fault */
function keyOf(secret: string): Uint8Array<ArrayBuffer> {
  const bytes = secret.startsWith(PREFIX) ? bytesOf(secret.slice(PREFIX.length)) : undefined
  if (bytes === undefined || bytes.length === 0) throw new TypeError('The secret of a webhook begins with whsec_.')
  return bytes
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  } catch {
    return undefined
  }
}
