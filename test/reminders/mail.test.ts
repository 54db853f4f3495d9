import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import t from 'tap'
import { composeMail, type Mail } from '../../src/mail/content.ts'
import { fireDueReminders, mailReminder } from '../../src/reminders/firing.ts'
import { reminderMail } from '../../src/reminders/mail.ts'
import { countMail } from '../../src/reminders/mail-queries.ts'
import { createWorkers } from '../../src/workers.ts'
import { type Person, startApp } from '../support/app.ts'
import { mailTokenOf } from '../support/mail-tokens.ts'
import { startAppWithMail, textOf } from '../support/mailbox.ts'
import { dueReminder, newTask } from './due.ts'

const MILK = {
  email: 'ada@example.com',
  email_verified_at: null,
  time_zone: 'UTC',
  title: 'Milk',
  due_on: null,
  due_at: '2026-03-28T23:30:00.000Z',
  list_title: 'Groceries',
} as const

t.test('the mail of a reminder', async (t) => {
  const composed = (reminder: Partial<Record<keyof typeof MILK, string | null>>) =>
    composeMail(MILK.email, reminderMail({ ...MILK, ...reminder } as never))

  t.test('names the task, when it is due and its list, as text and as HTML', async (t) => {
    const { subject, text, html } = composed({})
    t.equal(subject, 'Reminder: Milk')
    for (const form of [text, html])
      for (const part of ['Milk', 'Due: Saturday, 28 March 2026 at 23:30 (UTC)', 'List: Groceries']) t.match(form, part)
  })

  t.test('is in the zone of the user, also where clocks have changed', async (t) => {
    for (const [time_zone, due_at, due] of [
      ['Europe/Berlin', '2026-03-28T23:30:00.000Z', 'Sunday, 29 March 2026 at 00:30 (Europe/Berlin)'],
      ['Europe/Berlin', '2026-03-29T01:00:00.000Z', 'Sunday, 29 March 2026 at 03:00 (Europe/Berlin)'],
      ['Asia/Kathmandu', '2026-03-28T23:30:00.000Z', 'Sunday, 29 March 2026 at 05:15 (Asia/Kathmandu)'],
      ['America/New_York', '2026-01-01T04:59:59.999Z', 'Wednesday, 31 December 2025 at 23:59 (America/New_York)'],
    ] as const) {
      t.match(composed({ time_zone, due_at }).text, `Due: ${due}\n`)
    }
  })

  t.test('keeps the day of an all-day task, whichever zones it and the user are in', async (t) => {
    for (const time_zone of ['UTC', 'Pacific/Kiritimati', 'Pacific/Pago_Pago']) {
      const { text } = composed({ time_zone, due_on: '2026-02-01', due_at: '2026-02-01T10:00:00.000Z' })
      t.match(text, 'Due: Sunday, 1 February 2026\n')
    }
  })

  t.test('says so without a due date', async (t) => {
    t.match(composed({ due_at: null }).text, 'It has no due date.')
  })

  t.test('does nothing that a title says', async (t) => {
    const hostile = 'x\r\nBcc: eve@example.com\u2028\0<img src=https://evil.example/x.png onerror="alert(1)">&amp;'
    const { subject, html } = composed({ title: hostile, list_title: hostile })
    t.notMatch(subject, /[\p{Cc}\u2028]/u)
    t.notMatch(html, '<img')
    t.notMatch(html, '"alert')
    t.match(html, '&lt;img src=https://evil.example/x.png onerror=&quot;alert(1)&quot;&gt;&amp;amp;')
  })
})

type Sent = Mail & { jobId: string }

t.test('the jobs that mail reminders', async (t) => {
  const app = await startApp(t)
  const { as, context, logged, register } = app
  const { db } = context
  const verified = async (): Promise<Person> => {
    const person = await register()
    await as()('verifyEmail', { body: { token: await mailTokenOf(context, person, 'verify_email') }, expect: 204 })
    return person
  }

  /** Does somebody's jobs, whose mails go nowhere. No instance of these tests works jobs by itself. */
  async function mailsTo({ id: userId }: Person): Promise<Sent[]> {
    const sent: Sent[] = []
    const mailer = { send: async (mail: Mail, { jobId }: { jobId: string }) => void sent.push({ ...mail, jobId }) }
    const worker = createWorkers({ ...context, mailer }).find(({ definition }) => definition.name === mailReminder.name)
    const { rows } = await sql<{ id: string; data: object }>`
      select id, data from pgboss.job where name = ${mailReminder.name} and data->>'userId' = ${userId} order by created_on, id`.execute(db)
    for (const { id, data } of rows) await worker?.handle(data as never, { jobId: id, number: 1, signal: AbortSignal.timeout(60_000) })
    return sent
  }

  t.test('mail to the address that the owner has by then', async (t) => {
    const ada = await verified()
    await dueReminder(app, ada, { title: 'Call Grace' })
    await fireDueReminders(context)
    const email = `new-${ada.email}`
    await as()('verifyEmail', { body: { token: await mailTokenOf(context, { ...ada, email }, 'change_email') }, expect: 204 })
    t.match(await mailsTo(ada), [{ to: email, subject: 'Reminder: Call Grace' }])
  })

  t.test('say what the task is by then', async (t) => {
    const ada = await verified()
    const { taskId } = await dueReminder(app, ada, { title: 'Call Grace' })
    await fireDueReminders(context)
    await as(ada)('updateTask', { params: { taskId }, body: { title: 'Write to Grace', dueDate: '2099-02-01' }, expect: 200 })
    t.match(await mailsTo(ada), [{ subject: 'Reminder: Write to Grace', text: /Due: Sunday, 1 February 2099\n/ }])
  })

  t.test('do nothing when there is nothing left to remind of, or nobody', async (t) => {
    const admin = await app.registerAdmin()
    type End = (person: Person, ids: { taskId: string; reminderId: string }) => Promise<unknown>
    const ends: readonly [string, End][] = [
      ['a completed task', (person, { taskId }) => as(person)('updateTask', { params: { taskId }, body: { completed: true }, expect: 200 })],
      ['a deleted task', (person, { taskId }) => as(person)('deleteTask', { params: { taskId }, expect: 204 })],
      ['a deleted reminder', (person, { reminderId }) => as(person)('deleteReminder', { params: { reminderId }, expect: 204 })],
      ['a task due later', (person, { taskId }) => as(person)('updateTask', { params: { taskId }, body: { dueDate: '2099-02-01' }, expect: 200 })],
      ['a disabled user', ({ id }) => as(admin)('updateUser', { params: { userId: id }, body: { disabled: true }, expect: 200 })],
      ['a deleted user', ({ id }) => as(admin)('deleteUser', { params: { userId: id }, expect: 204 })],
    ]
    for (const [what, end] of ends) {
      const person = await verified()
      const { id: taskId } = await newTask(app, person, { dueDate: '2099-02-01' })
      const { body } = await as(person)('createReminder', { params: { taskId }, body: { minutesBefore: 0 }, expect: 201 })
      await as(person)('updateTask', { params: { taskId }, body: { dueDate: '2026-01-01' }, expect: 200 })
      await fireDueReminders(context)
      t.equal((await mailsTo(person)).length, 1, `before: ${what}`)
      await end(person, { taskId, reminderId: body.id })
      t.same(await mailsTo(person), [], what)
    }
  })

  t.test('mail once for each time that a reminder fires', async (t) => {
    const ada = await verified()
    const { id: taskId } = await newTask(app, ada, { dueDate: '2099-02-01' })
    await as(ada)('createReminder', { params: { taskId }, body: { minutesBefore: 0 }, expect: 201 })
    for (const dueDate of ['2026-01-01', '2099-02-01', '2026-01-02']) {
      await as(ada)('updateTask', { params: { taskId }, body: { dueDate }, expect: 200 })
      await fireDueReminders(context)
    }
    t.match(await mailsTo(ada), [{ text: /2 January 2026/ }])
  })

  t.test('mail to an address that is not verified ten times in 24 hours, repeated tries not counted', async (t) => {
    const eve = await register()
    for (let count = 0; count < 12; count++) {
      await dueReminder(app, eve)
      await fireDueReminders(context)
    }
    const first = await mailsTo(eve)
    t.equal(first.length, 10)
    t.equal(new Set(first.map(({ jobId }) => jobId)).size, 10)
    t.equal(logged.filter(({ msg, userId }) => userId === eve.id && /is not mailed/.test(String(msg))).length, 2)
    t.same(await mailsTo(eve), first, 'the same again, under the same ids')

    // What a clock would do.
    await db.updateTable('reminder_mails').set({ sent_at: sql`sent_at - interval '1 day'` }).where('user_id', '=', eve.id).execute()
    await dueReminder(app, eve)
    await fireDueReminders(context)
    t.equal((await mailsTo(eve)).length, 10)
    t.equal((await db.selectFrom('reminder_mails').select('job_id').where('user_id', '=', eve.id).execute()).length, 10)
  })

  t.test('count the mails of one user one after the other', async (t) => {
    const eve = await register()
    const counted = await Promise.all(Array.from({ length: 30 }, () => countMail(db, eve.id, randomUUID(), 10)))
    t.equal(counted.filter(Boolean).length, 10)
  })

  t.test('mail to a verified address as often as there are reminders', async (t) => {
    const ada = await verified()
    for (let count = 0; count < 12; count++) await dueReminder(app, ada)
    await fireDueReminders(context)
    t.equal((await mailsTo(ada)).length, 12)
  })
})

t.test('a reminder arrives', async (t) => {
  const app = await startAppWithMail(t)
  const ada = await app.register()
  await app.as(ada)('updateMe', { body: { timeZone: 'Asia/Tokyo' }, expect: 200 })
  await dueReminder(app, ada, { title: 'Milk\r\nBcc: eve@example.com <b>', dueDate: '2099-02-01T18:00:00Z' })
  await fireDueReminders(app.context)
  const mail = await app.mailbox.next(ada.email, 'Reminder: Milk Bcc: eve@example.com <b>')
  t.same(mail.to, [ada.email])
  t.equal(mail.headers['bcc'], undefined)
  t.match(textOf(mail), 'Due: Monday, 2 February 2099 at 03:00 (Asia/Tokyo)')
  t.match(textOf(mail), 'List: Inbox')
  t.match(mail.parts['text/html'], '&lt;b&gt;')
})
