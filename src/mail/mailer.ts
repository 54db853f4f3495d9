import type { NodemailerError, SMTPTransportOptions } from 'nodemailer'
import type { Logger } from 'pino'
import type { MailConfig } from '../config.ts'
import { PermanentFailure } from '../jobs/definitions.ts'
import type { Mail } from './content.ts'

/**
 * Sends mails, from the handlers of jobs alone: a request never waits for a mail server.
 * @throws PermanentFailure when the server refuses this mail for good; another error when it may take it later
 */
export type Mailer = Readonly<{
  /** @param jobId becomes part of the Message-ID, by which a mail that was sent twice is recognised */
  send(mail: Mail, attempt: Readonly<{ jobId: string; signal?: AbortSignal }>): Promise<void>
}>

const CONNECT_MILLISECONDS = 10_000
const SEND_MILLISECONDS = 30_000

export function createMailer({ delivery, from }: Pick<MailConfig, 'delivery' | 'from'>, logger: Logger): Mailer {
  if (delivery.kind === 'smtp') return smtpMailer(delivery.url, from)
  if (delivery.kind === 'log') {
    return { send: async ({ to, subject, text }) => logger.info({ to, subject, text }, 'mail, not sent because SMTP_URL is not set') }
  }
  logger.warn('SMTP_URL is not set: no mail can be sent, and nobody can reset a password or verify an address')
  return {
    async send() {
      throw new PermanentFailure('SMTP_URL is not set.')
    },
  }
}

function smtpMailer(url: string, from: string): Mailer {
  // Loaded with the first mail, which an instance that works no jobs never sends.
  const options = transportOptions(new URL(url))
  const connect = async () => (await import('nodemailer')).createTransport(options)
  let connected: ReturnType<typeof connect> | undefined
  const domain = /@([^@>]+)>?$/.exec(from)?.[1]
  return {
    async send({ to, subject, text, html }, { jobId, signal }) {
      requireOneAddress(to)
      connected ??= connect()
      const transport = await connected
      const patience = AbortSignal.timeout(SEND_MILLISECONDS)
      try {
        await transport.sendMail({
          from,
          // As an object it is not parsed: a comma makes no second recipient.
          to: { name: '', address: to },
          subject,
          text,
          html,
          messageId: `<${jobId}@${domain}>`,
          // RFC 3834 §5: nobody's holiday reply.
          headers: { 'Auto-Submitted': 'auto-generated' },
          disableFileAccess: true,
          disableUrlAccess: true,
          signal: signal === undefined ? patience : AbortSignal.any([patience, signal]),
        })
      } catch (error) {
        throw failureOf(error as NodemailerError)
      }
    },
  }
}

/** A password goes over the network only inside TLS. */
export function transportOptions({ protocol, hostname, port, username, password }: URL): SMTPTransportOptions {
  const secure = protocol === 'smtps:'
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  const auth = username === '' ? {} : { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } }
  return {
    host,
    port: Number(port) || (secure ? 465 : 25),
    secure,
    requireTLS: !secure && username !== '' && !isLoopback(host),
    connectionTimeout: CONNECT_MILLISECONDS,
    greetingTimeout: CONNECT_MILLISECONDS,
    dnsTimeout: CONNECT_MILLISECONDS,
    socketTimeout: SEND_MILLISECONDS,
    ...auth,
  }
}

const isLoopback = (host: string) => host === 'localhost' || host === '::1' || /^127\./.test(host)

function requireOneAddress(to: string): void {
  if (!/^[^\s@<>,;:"()[\]\\\p{Cc}]+@[^\s@<>,;:"()[\]\\\p{Cc}]+$/u.test(to)) throw new PermanentFailure('The recipient is no mail address.')
}

/**
 * What the server said of this recipient or this mail (RFC 5321 §4.2.1: 5yz is permanent) ends the job. A refused login or sender is a matter of our
 * settings, which somebody may mend while the job is tried again. Only the code is told: the answer quotes addresses.
 */
function failureOf({ code, command, responseCode, message, permanent }: NodemailerError): Error {
  if (responseCode === undefined) return new Error(`The mail server cannot be reached: ${code ?? message}.`)
  const refusal = `The mail server answered ${responseCode} to ${command}.`
  const ofThisMail = command === 'RCPT TO' || code === 'EMESSAGE'
  return permanent === true && ofThisMail ? new PermanentFailure(refusal) : new Error(refusal)
}
