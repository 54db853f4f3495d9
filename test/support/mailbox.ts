import { sql } from 'kysely'
import type { Test } from 'tap'
import type { Context } from '../../src/context.ts'
import { startApp, type TestApp } from './app.ts'
import { until } from './jobs.ts'
import { type ArrivedMail, startMailServer } from './smtp.ts'

export type Mailbox = Readonly<{
  /** The settings of an instance that sends its mails here. */
  settings: Readonly<Record<string, string>>
  /** The next mail to this address with this subject, when it has arrived. */
  next(to: string, subject: string): Promise<ArrivedMail>
  /** The subjects of all mails to this address so far. */
  subjectsTo(to: string): string[]
  arrived: readonly ArrivedMail[]
}>

/** A mail server that ends with the test. */
export async function startMailbox(t: Test): Promise<Mailbox> {
  const { url, arrived } = await startMailServer(t)
  const taken = new Set<ArrivedMail>()
  const isTo = (mail: ArrivedMail, to: string) => mail.to.includes(to)
  return {
    settings: { SMTP_URL: url, JOBS: 'on' },
    async next(to, subject) {
      const find = () => arrived.find((mail) => !taken.has(mail) && isTo(mail, to) && mail.headers['subject'] === subject)
      await until(() => find() !== undefined)
      const mail = find() as ArrivedMail
      taken.add(mail)
      return mail
    },
    subjectsTo: (to) => arrived.filter((mail) => isTo(mail, to)).map(({ headers }) => String(headers['subject'])),
    arrived,
  }
}

/** A server whose mails arrive. */
export async function startAppWithMail(t: Test, overrides: Record<string, string> = {}): Promise<TestApp & { mailbox: Mailbox }> {
  const mailbox = await startMailbox(t)
  return { ...(await startApp(t, { ...mailbox.settings, ...overrides })), mailbox }
}

/** Resolves when every job that was sent is done. */
export async function jobsDone({ db }: Context): Promise<void> {
  await until(async () => {
    const { rows } = await sql`
      select from pgboss.job where state in ('created', 'retry', 'active') and name <> 'dead' and name not like '\\_\\_%'`.execute(db)
    return rows.length === 0
  })
}

/** The token that a text holds. */
export function tokenIn(text: string | undefined): string {
  const [token] = /(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{86}(?![A-Za-z0-9_-])/.exec(text ?? '') ?? []
  if (token === undefined) throw new Error(`There is no token in: ${text}`)
  return token
}

export const textOf = (mail: ArrivedMail): string => (mail.parts['text/plain'] ?? '').replaceAll('\r\n', '\n')
export const tokenOf = (mail: ArrivedMail): string => tokenIn(textOf(mail))
