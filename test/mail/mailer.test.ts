import { once } from 'node:events'
import { createServer } from 'node:net'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import type { MailConfig } from '../../src/config.ts'
import { defineJob, PermanentFailure, work } from '../../src/jobs/definitions.ts'
import { composeMail } from '../../src/mail/content.ts'
import { createMailer, transportOptions } from '../../src/mail/mailer.ts'
import { MAIL_POLICY } from '../../src/mail/policy.ts'
import { deadJobs, startJobs, until } from '../support/jobs.ts'
import { freePort } from '../support/postgres.ts'
import { startMailServer } from '../support/smtp.ts'

const silent = pino({ level: 'silent' })
const over = (url: string): Pick<MailConfig, 'delivery' | 'from'> => ({ delivery: { kind: 'smtp', url }, from: 'Docket <docket@docket.example>' })
const welcome = (username: string) =>
  composeMail(`${username}@example.com`, { subject: `Welcome, ${username}`, heading: 'Grüße 🎉', paragraphs: [`<b>${username}</b>`] })
const ATTEMPT = { jobId: '0b8d9f3e-6a0e-4b8e-9a6e-1f2d3c4b5a69' }

/** A job as features have it: its payload names somebody, and the handler makes the mail. Between its tries it pauses for a second or two. */
const sendWelcome = defineJob<{ username: string }>('send-welcome', { ...MAIL_POLICY, firstPause: 1, longestPause: 1 })

async function startWelcoming(t: Test, url: string) {
  const mailer = createMailer(over(url), silent)
  return startJobs(t, [work(sendWelcome, ({ username }, attempt) => mailer.send(welcome(username), attempt))])
}

t.test('a mail that a job sends', async (t) => {
  const { url, arrived } = await startMailServer(t)
  const { jobs, db } = await startWelcoming(t, url)

  t.test('arrives once after the commit, in both forms', async (t) => {
    await t.rejects(
      db.transaction().execute(async (trx) => {
        await jobs.send(trx, sendWelcome, { username: 'nobody' })
        throw new Error('rolled back')
      }),
    )
    await db.transaction().execute((trx) => jobs.send(trx, sendWelcome, { username: 'ada' }))
    await db.transaction().execute((trx) => jobs.send(trx, sendWelcome, { username: 'grace' }))
    await until(() => arrived.length >= 2)
    t.same(
      arrived.map(({ to }) => to),
      [['ada@example.com'], ['grace@example.com']],
    )
    t.match(arrived[0], {
      from: 'docket@docket.example',
      headers: {
        from: 'Docket <docket@docket.example>',
        to: 'ada@example.com',
        subject: 'Welcome, ada',
        'auto-submitted': 'auto-generated',
        'message-id': /^<[0-9a-f-]{36}@docket\.example>$/,
        'content-type': /^multipart\/alternative/,
      },
      parts: { 'text/plain': 'Grüße 🎉', 'text/html': '<p>&lt;b&gt;ada&lt;/b&gt;</p>' },
    })
  })
})

t.test('a mail server that is away', async (t) => {
  const port = await freePort()
  const { jobs, db, logged } = await startWelcoming(t, `smtp://127.0.0.1:${port}`)
  await jobs.send(db, sendWelcome, { username: 'ada' })
  await until(() => logged.some(({ msg }) => msg === 'job failed, to be tried again'))
  const { arrived } = await startMailServer(t, { port })
  await until(() => arrived.length > 0)
  t.same(arrived[0]?.to, ['ada@example.com'], 'gets the mail when it is there')
  t.same(await deadJobs(db), [])
})

t.test('a recipient whom the server refuses', async (t) => {
  let refusals = 0
  const { url, arrived } = await startMailServer(t, {
    recipient(address) {
      if (address.startsWith('gone')) return 550
      if (address.startsWith('greylisted') && refusals++ === 0) return 451
      return undefined
    },
  })
  const { jobs, db, logged } = await startWelcoming(t, url)

  t.test('550: given up at once, and seen', async (t) => {
    await jobs.send(db, sendWelcome, { username: 'gone' })
    await until(async () => (await deadJobs(db)).length === 1)
    t.match(await deadJobs(db), [{ name: 'send-welcome', error: 'The mail server answered 550 to RCPT TO.' }])
    const [line] = logged.filter(({ msg }) => msg === 'job given up')
    t.match(line, { job: 'send-welcome', attempt: 1 })
    t.notMatch(JSON.stringify(line), '@example.com', 'the log does not quote the answer, which names people')
  })

  t.test('451: tried again', async (t) => {
    await jobs.send(db, sendWelcome, { username: 'greylisted' })
    await until(() => arrived.length > 0)
    t.same(arrived[0]?.to, ['greylisted@example.com'])
    t.equal(refusals, 2)
  })
})

t.test('a login', async (t) => {
  const { url, arrived } = await startMailServer(t, { login: { username: 'docket', password: 'pass:word@1/2' } })
  const withLogin = (login: string) => url.replace('smtp://', `smtp://${login}@`)

  t.test('is read from the URL', async (t) => {
    await createMailer(over(withLogin('docket:pass%3Aword%401%2F2')), silent).send(welcome('ada'), ATTEMPT)
    t.equal(arrived.length, 1)
    t.equal(arrived[0]?.headers['message-id'], `<${ATTEMPT.jobId}@docket.example>`)
  })

  t.test('that is refused may be mended, so the job is tried again', async (t) => {
    const error = await failureOf(createMailer(over(withLogin('docket:hunter2')), silent).send(welcome('ada'), ATTEMPT))
    t.notOk(error instanceof PermanentFailure)
    t.equal(error.message, 'The mail server answered 535 to AUTH PLAIN.')
    t.notMatch(JSON.stringify({ ...error, stack: error.stack }), 'hunter2')
  })

  t.test('goes over the network inside TLS alone', async (t) => {
    const requireTLS = (url: string) => transportOptions(new URL(url)).requireTLS
    t.equal(requireTLS('smtp://docket:pw@mail.example:587'), true)
    t.equal(requireTLS('smtp://mail.example'), false)
    t.equal(requireTLS('smtp://docket:pw@127.0.0.1'), false)
    t.equal(requireTLS('smtp://docket:pw@[::1]'), false)
    t.match(transportOptions(new URL('smtps://docket:pw@mail.example')), { secure: true, port: 465 })
    t.match(transportOptions(new URL('smtp://[::1]:2525')), { secure: false, host: '::1', port: 2525 })
  })
})

t.test('an address can neither be two nor begin another header', async (t) => {
  const { url, arrived } = await startMailServer(t)
  const mailer = createMailer(over(url), silent)
  for (const to of [
    'ada@example.com, eve@example.com',
    'ada@example.com\r\nBcc: eve@example.com',
    'Ada <ada@example.com>',
    'ada@example.com;eve@example.com',
    'group: ada@example.com;',
    '"ada"@example.com',
    'ada',
    '',
  ]) {
    const error = await failureOf(mailer.send({ ...welcome('ada'), to }, ATTEMPT))
    t.ok(error instanceof PermanentFailure, JSON.stringify(to))
  }
  // The second guard, after that of composeMail.
  await mailer.send({ ...welcome('ada'), subject: 'Milk\r\nBcc: eve@example.com' }, ATTEMPT)
  t.match(arrived, [{ to: ['ada@example.com'], headers: { subject: /^Milk/ } }])
  t.notHas(arrived[0]?.headers, 'bcc')
})

t.test('a server that accepts a connection and says nothing is left when the job is out of time', async (t) => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const abort = new AbortController()
  server.once('connection', (socket) => {
    socket.on('error', () => undefined)
    abort.abort()
  })
  const error = await failureOf(createMailer(over(`smtp://127.0.0.1:${port}`), silent).send(welcome('ada'), { ...ATTEMPT, signal: abort.signal }))
  t.notOk(error instanceof PermanentFailure)
})

t.test('without a server', async (t) => {
  const logged: Record<string, unknown>[] = []
  const logger = pino({}, { write: (line: string) => void logged.push(JSON.parse(line)) })
  const from = 'Docket <docket@localhost>'

  t.test('mails are logged in embedded mode', async (t) => {
    await createMailer({ delivery: { kind: 'log' }, from }, logger).send(welcome('ada'), ATTEMPT)
    t.match(logged, [{ level: 30, to: 'ada@example.com', subject: 'Welcome, ada', text: /<b>ada<\/b>/ }])
  })

  t.test('and given up elsewhere, which is said at the start', async (t) => {
    logged.length = 0
    const mailer = createMailer({ delivery: { kind: 'none' }, from }, logger)
    t.match(logged, [{ level: 40, msg: /SMTP_URL is not set/ }])
    t.ok((await failureOf(mailer.send(welcome('ada'), ATTEMPT))) instanceof PermanentFailure)
    t.equal(logged.length, 1)
  })
})

async function failureOf(sending: Promise<void>): Promise<Error> {
  return sending.then(
    () => {
      throw new Error('It was sent.')
    },
    (error) => error,
  )
}
