import { once } from 'node:events'
import { type SMTPServer as Server, SMTPServer } from 'smtp-server'
import type { Test } from 'tap'

/** What arrived: its envelope, its header lines unfolded by lower-case name, and its parts by media type. */
export type ArrivedMail = Readonly<{ from: string; to: string[]; headers: Record<string, string>; parts: Record<string, string> }>

export type MailServer = Readonly<{ url: string; arrived: readonly ArrivedMail[] }>

type Answers = Readonly<{
  port?: number
  /** The code with which a recipient is refused; undefined takes it. */
  recipient?: (address: string) => number | undefined
  /** The only login, and none when it is left out. */
  login?: Readonly<{ username: string; password: string }>
}>

/** A mail server on loopback that ends with the test. */
export async function startMailServer(t: Test, { port = 0, recipient = () => undefined, login }: Answers = {}): Promise<MailServer> {
  const arrived: ArrivedMail[] = []
  const refuse = (code: number) => Object.assign(new Error('refused for <somebody@example.com>'), { responseCode: code })
  const server: Server = new SMTPServer({
    disabledCommands: login === undefined ? ['AUTH', 'STARTTLS'] : ['STARTTLS'],
    authOptional: login === undefined,
    allowInsecureAuth: true,
    onAuth({ username, password }, _session, done) {
      if (username === login?.username && password === login?.password) done(null, { user: username })
      else done(refuse(535))
    },
    onRcptTo({ address }, _session, done) {
      const code = recipient(address)
      done(code === undefined ? null : refuse(code))
    },
    async onData(stream, { envelope }, done) {
      const chunks = await stream.toArray().catch(() => undefined)
      // Its sender was killed in the middle of it.
      if (chunks === undefined) return
      const raw = Buffer.concat(chunks).toString()
      const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address
      arrived.push({ from, to: envelope.rcptTo.map(({ address }) => address), ...parse(raw) })
      done()
    },
  })
  server.on('error', (error) => t.comment(error.message))
  const listening = once(server.server, 'listening')
  server.listen(port, '127.0.0.1')
  await listening
  t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())))
  const address = server.server.address()
  return { url: `smtp://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`, arrived }
}

function parse(raw: string): Pick<ArrivedMail, 'headers' | 'parts'> {
  const { headers, body } = divide(raw)
  const boundary = /boundary="?([^";]+)/.exec(headers['content-type'] ?? '')?.[1]
  const sections = body.split(`--${boundary}`).slice(1, -1)
  const parts = sections.map((section) => {
    const { headers, body } = divide(section.replace(/^\r\n/, ''))
    return [(headers['content-type'] ?? '').split(';')[0], decode(body, headers['content-transfer-encoding'])]
  })
  return { headers, parts: Object.fromEntries(parts) }
}

function divide(text: string): { headers: Record<string, string>; body: string } {
  const end = text.indexOf('\r\n\r\n')
  const lines = text
    .slice(0, end)
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n')
  const headers = lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()])
  return { headers: Object.fromEntries(headers), body: text.slice(end + 4) }
}

function decode(body: string, encoding = '7bit'): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString()
  if (encoding !== 'quoted-printable') return body
  const bytes = body.replaceAll('=\r\n', '').replaceAll(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString()
}
