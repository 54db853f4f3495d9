import { once } from 'node:events'
import { createServer } from 'node:net'
import { sql } from 'kysely'
import t from 'tap'
import { createMailer } from '../../src/mail/mailer.ts'
import { fireDueReminders } from '../../src/reminders/firing.ts'
import { reminderWorkers } from '../../src/reminders/jobs.ts'
import { dueReminder } from '../reminders/due.ts'
import { createServerDatabase, EMBEDDED, startApp } from '../support/app.ts'
import { startJobs, until } from '../support/jobs.ts'
import { startMailServer } from '../support/smtp.ts'
import { startInstance } from './cluster.ts'

t.test(
  'an instance that is killed between the firing of a reminder and its mail: another one sends it, under the same Message-ID',
  { skip: EMBEDDED && 'it is that of one process' },
  async (t) => {
    const database = await createServerDatabase(t)
    const app = await startApp(t, {}, database)
    const ada = await app.register()
    await dueReminder(app, ada, { title: 'Call Grace' })
    await fireDueReminders(app.context)
    const { rows } = await sql<{ id: string }>`select id from pgboss.job where name = 'mail-reminder'`.execute(app.context.db)

    // It takes the connection and says nothing.
    const silent = createServer()
    t.teardown(() => silent.close())
    const called = once(silent, 'connection')
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as { port: number }
    const settings = { SMTP_URL: `smtp://127.0.0.1:${port}`, MAIL_FROM: 'docket@example.com' }
    const instance = await startInstance(t, database, { ...settings, AUTH_SECRET: 'Zm9yIHRlc3RzIG9ubHksIGJ1dCBsb25nIGFuZCByYW5kb20gZW5vdWdo' })
    const [socket] = await called
    socket.on('error', () => undefined)
    const stateOf = async () =>
      (await sql<{ state: string }>`select state::text from pgboss.job where name = 'mail-reminder'`.execute(app.context.db)).rows
    await until(async () => (await stateOf())[0]?.state === 'active')
    t.equal(await instance.end('SIGKILL'), null)

    const { url, arrived } = await startMailServer(t)
    const mailer = createMailer({ delivery: { kind: 'smtp', url }, from: 'docket@example.com' }, app.context.logger)
    await startJobs(t, reminderWorkers({ ...app.context, mailer }), { superviseSeconds: 1 }, database)
    await until(async () => {
      // What a clock would do: the time of the try runs out, and the pause before the next.
      await sql`update pgboss.job set started_on = started_on - interval '1 hour' where name = 'mail-reminder' and state = 'active'`.execute(
        app.context.db,
      )
      await sql`update pgboss.job set start_after = now() where name = 'mail-reminder' and state = 'retry'`.execute(app.context.db)
      return arrived.length > 0
    })
    await until(async () => (await stateOf())[0]?.state === 'completed')
    t.match(
      arrived.map(({ to, headers }) => ({ to, subject: headers['subject'], id: headers['message-id'] })),
      [{ to: [ada.email], subject: 'Reminder: Call Grace', id: `<${rows[0]?.id}@example.com>` }],
    )
  },
)
