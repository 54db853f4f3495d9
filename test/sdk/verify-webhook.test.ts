import { randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import t from 'tap'
import { installSdk } from './installed.ts'

const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`
const event = { type: 'webhook.test', timestamp: '2026-01-31T09:30:00.000Z', data: { webhookId: '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10' } }
const body = JSON.stringify({ ...event, note: 'Grüße 😀' })
const ID = '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f11'

/** What the reference library would send. */
function signed(secrets: readonly string[], at = new Date(), text = body): Record<string, string> {
  return {
    'webhook-id': ID,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(ID, at, text)).join(' '),
  }
}

t.test('verifyWebhook', async (t) => {
  const { verifyWebhook, WebhookVerificationError } = (await installSdk(t)).sdk
  const [secret, other] = [newSecret(), newSecret()]
  const good = signed([secret])
  const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000)

  t.test('reads what the reference library signed, as text or bytes, with the headers of Fetch or of Node', async (t) => {
    const upper = Object.fromEntries(Object.entries(good).map(([name, value]) => [name.toUpperCase(), value]))
    for (const headers of [good, new Headers(good), upper, { ...good, cookie: ['a', 'b'], host: undefined }]) {
      for (const payload of [body, Buffer.from(body), new TextEncoder().encode(body)]) t.match(await verifyWebhook(payload, headers, secret), event)
    }
    t.match(await verifyWebhook(body, good, [other, secret]), event, 'one of several secrets')
    t.match(await verifyWebhook(body, signed([other, secret]), secret), event, 'one of several signatures')
    const later = { ...good, 'webhook-signature': `v2,xyz v1a,abc ${good['webhook-signature']}` }
    t.match(await verifyWebhook(body, later, secret), event, 'beside signatures of other versions')
  })

  t.test('takes a clock that is a few minutes off, and no more', async (t) => {
    for (const minutes of [-4.5, 4.5]) t.match(await verifyWebhook(body, signed([secret], minutesAgo(minutes)), secret), event)
    for (const minutes of [-6, 6, 60, 60 * 24 * 365]) {
      await t.rejects(verifyWebhook(body, signed([secret], minutesAgo(minutes)), secret), WebhookVerificationError, `${minutes} minutes`)
    }
  })

  t.test('throws on anything else', async (t) => {
    const signature = String(good['webhook-signature'])
    const bad: [what: string, payload: string, headers: Record<string, string>][] = [
      ['another body', `${body} `, good],
      ['another id', body, { ...good, 'webhook-id': ID.replace('1', '2') }],
      ['another timestamp', body, { ...good, 'webhook-timestamp': String(Number(good['webhook-timestamp']) - 1) }],
      ['another secret', body, signed([other])],
      ['no signature', body, { ...good, 'webhook-signature': '' }],
      ['a signature of another version', body, { ...good, 'webhook-signature': signature.replace('v1,', 'v2,') }],
      ['a signature without a version', body, { ...good, 'webhook-signature': signature.slice(3) }],
      ['half a signature', body, { ...good, 'webhook-signature': signature.slice(0, -8) }],
      ['a signature that is no base64', body, { ...good, 'webhook-signature': 'v1,***' }],
      ['no headers', body, {}],
      ...['', 'now', 'NaN', '1e9', '-1', '0x60000000', '99999999999999999999', ' '].map((text): (typeof bad)[number] => [
        `the timestamp ${JSON.stringify(text)}`,
        body,
        { ...good, 'webhook-timestamp': text },
      ]),
    ]
    for (const [what, payload, headers] of bad) await t.rejects(verifyWebhook(payload, headers, secret), WebhookVerificationError, what)
    await t.rejects(verifyWebhook(body, good, []), WebhookVerificationError, 'without a secret')
  })

  t.test('says that a secret is none: that is not the fault of whoever sent it', async (t) => {
    for (const none of ['', 'whsec_', 'whsec_***', secret.slice(6)]) await t.rejects(verifyWebhook(body, good, none), TypeError, none)
  })
})
