import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import t from 'tap'
import type { Context } from '../../src/context.ts'
import { startApp } from '../support/app.ts'
import { until } from '../support/jobs.ts'
import { startMailServer } from '../support/smtp.ts'

/** A job that was given up at an instant, as pg-boss keeps it. */
async function bury({ db }: Context, name: string, error: string, givenUpAt: string): Promise<string> {
  const id = randomUUID()
  const output = JSON.stringify({ message: error })
  await sql`
    insert into pgboss.job (name, data, created_on, source_id, source_name, source_created_on, source_output)
    values ('dead', '{"userId": "secret"}', ${givenUpAt}, ${id}, ${name}, '2026-01-30T08:00:00.123456Z', ${output}::jsonb)`.execute(db)
  return id
}

t.test('listDeadJobs', async (t) => {
  const { as, context, register, registerAdmin } = await startApp(t)
  const root = await registerAdmin()
  const list = async (query: { limit?: number; cursor?: string } = {}) => (await as(root)('listDeadJobs', { query, expect: 200 })).body

  t.test('200: none yet', async (t) => {
    t.same(await list(), { items: [], nextCursor: null })
  })

  t.test('200: the newest first, without what they were to do', async (t) => {
    const older = await bury(context, 'mail-token', 'The mail server answered 550 to RCPT TO.', '2026-01-31T09:30:00Z')
    const newer = await bury(context, 'delete-ended-sessions', 'It took too long.', '2026-01-31T09:30:00.000789Z')
    const { body, headers } = await as(root)('listDeadJobs', { expect: 200 })
    t.equal(headers.get('cache-control'), 'private, no-cache')
    t.same(body, {
      items: [
        {
          id: newer,
          name: 'delete-ended-sessions',
          error: 'It took too long.',
          sentAt: '2026-01-30T08:00:00.123Z',
          givenUpAt: '2026-01-31T09:30:00.000Z',
        },
        {
          id: older,
          name: 'mail-token',
          error: 'The mail server answered 550 to RCPT TO.',
          sentAt: '2026-01-30T08:00:00.123Z',
          givenUpAt: '2026-01-31T09:30:00.000Z',
        },
      ],
      nextCursor: null,
    })
  })

  t.test('pages meet, also among those of one moment, and one that is added meanwhile moves none', async (t) => {
    const moment = '2026-02-01T00:00:00.123456Z'
    for (let count = 0; count < 7; count++) await bury(context, 'mail-token', 'x', moment)
    const all = (await list()).items.map(({ id }) => id)
    t.equal(all.length, 9)
    const seen: string[] = []
    let cursor: string | null | undefined
    while (cursor !== null) {
      const page = await list({ limit: 2, ...(cursor !== undefined && { cursor }) })
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.nextCursor
      await bury(context, 'mail-token', 'later', '2026-03-01T00:00:00Z')
    }
    t.same(seen, all)
    const { body, headers } = await as(root)('listDeadJobs', { query: { limit: 1 }, expect: 200 })
    t.equal(headers.get('link'), `</api/v1/admin/dead-jobs?limit=1&cursor=${body.nextCursor}>; rel="next"`)
  })

  t.test('a long error is cut', async (t) => {
    await bury(context, 'mail-token', `${'x'.repeat(999)}\u{1f4ee}${'y'.repeat(5000)}`, '2026-04-01T00:00:00Z')
    t.equal((await list({ limit: 1 })).items[0]?.error, `${'x'.repeat(999)}\ufffd`)
  })

  t.test('422: a cursor of another listing, or of nobody', async (t) => {
    await register()
    const { body } = await as(root)('listUsers', { query: { limit: 1 }, expect: 200 })
    for (const cursor of [String(body.nextCursor), 'x'.repeat(40)]) {
      const { body: problem } = await as(root)('listDeadJobs', { query: { cursor }, expect: 422 })
      t.match(problem, { errors: [{ in: 'query', path: '/cursor' }] })
    }
  })

  t.test('401 and 403: for admins alone', async (t) => {
    t.equal((await as()('listDeadJobs')).status, 401)
    t.match(await as(await register())('listDeadJobs'), { status: 403, body: { code: 'FORBIDDEN' } })
  })
})

t.test('a mail that nobody takes is seen by admins, under the id that the log has', async (t) => {
  const { url } = await startMailServer(t, { recipient: (address) => (address.startsWith('gone') ? 550 : undefined) })
  const { as, register, registerAdmin, logged } = await startApp(t, { JOBS: 'on', SMTP_URL: url })
  const root = await registerAdmin()
  await register('gone')
  const list = async () => (await as(root)('listDeadJobs', { expect: 200 })).body.items
  await until(async () => (await list()).length > 0)
  const line = logged.find(({ msg }) => msg === 'job given up')
  t.match(await list(), [{ id: line?.['jobId'], name: 'mail-token', error: 'The mail server answered 550 to RCPT TO.' }])
  t.equal((await list()).length, 1)
})
