import { createServer, type IncomingHttpHeaders, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { pino } from 'pino'
import { Webhook } from 'standardwebhooks'
import type { Test } from 'tap'
import type { components } from '../../generated/api.ts'
import type { WorkerContext } from '../../src/context.ts'
import type { Worker } from '../../src/jobs/definitions.ts'
import { createMailer } from '../../src/mail/mailer.ts'
import type { Resolve } from '../../src/webhooks/destinations.ts'
import { webhookSweeps, webhookWorkers } from '../../src/webhooks/jobs.ts'
import type { Person, TestApp } from '../support/app.ts'

/** What a server needs so that receivers on this machine are called. */
export const LOCAL = { WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' }

export type Event = components['schemas']['WebhookEvent']
export type Received = Readonly<{ method: string | undefined; path: string | undefined; headers: IncomingHttpHeaders; body: string }>
export type Receiver = Readonly<{ url: string; received: Received[]; events(): Event[] }>

/** A receiver of webhooks on a port of its own. @param answer 204 if not given; it may also hang, break off, or answer whatever it likes */
export async function startReceiver(
  t: Test,
  answer: RequestListener = (_request, response) => void response.writeHead(204).end(),
): Promise<Receiver> {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    received.push({ method: request.method, path: request.url, headers: request.headers, body: await bodyOf(request) })
    answer(request, response)
  })
  const url = await listen(t, server)
  return { url: `${url}/hook`, received, events: () => received.map(({ body }) => JSON.parse(body)) }
}

/** @returns its URL, without a path */
export async function listen(t: Test, server: Server | import('node:net').Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

/** Throws for what the reference library does not take for signed with the secret. */
export const verify = (secret: string, { body, headers }: Received): Event =>
  new Webhook(secret).verify(body, headers as Record<string, string>) as Event

type NewWebhook = Readonly<{ events?: components['schemas']['NewWebhook']['events']; description?: string; enabled?: boolean }>

/** A webhook of somebody's, with the parameter that names it. */
export async function createWebhook({ as }: TestApp, person: Person, url: string, { events = ['task.created'], ...rest }: NewWebhook = {}) {
  const { body } = await as(person)('createWebhook', { body: { url, events, ...rest }, expect: 201 })
  return { ...body, params: { webhookId: body.id } }
}

export const workerContextOf = ({ context }: TestApp): WorkerContext => ({
  ...context,
  mailer: createMailer({ delivery: { kind: 'none' }, from: 'docket@localhost' }, pino({ level: 'silent' })),
})

/** Turns what waits into jobs. */
export async function sweep(app: TestApp): Promise<void> {
  for (const { run } of webhookSweeps(workerContextOf(app))) while (await run(AbortSignal.timeout(60_000)));
}

export function webhookWorker(app: TestApp, name: string, resolve?: Resolve): Worker {
  const worker = webhookWorkers(workerContextOf(app), resolve).find(({ definition }) => definition.name === name)
  if (worker === undefined) throw new Error(`There is no job ${name}.`)
  return worker
}

type Working = Readonly<{ number?: number; resolve?: Resolve }>

/**
 * Works a try of every delivery that has not ended, as its job would: sent by the sweep and tried again when its pause is over.
 * @param number which of its tries it is
 * @returns the messages of those that are to be tried again
 */
export async function deliverAll(app: TestApp, { number = 1, resolve }: Working = {}): Promise<string[]> {
  await sweep(app)
  const { db } = app.context
  const worker = webhookWorker(app, 'deliver-to-failing-webhook', resolve)
  const rows = await db
    .selectFrom('webhook_deliveries')
    .select(['owner_id as ownerId', 'webhook_id as webhookId', 'id as deliveryId', 'round'])
    .where('status', 'in', ['queued', 'retrying'])
    .orderBy('id')
    .execute()
  const tries = await Promise.allSettled(
    rows.map((row) => worker.handle(row as never, { jobId: row.deliveryId, number, signal: AbortSignal.timeout(60_000) })),
  )
  return tries.flatMap((outcome) => (outcome.status === 'rejected' ? [String(outcome.reason.message)] : []))
}
