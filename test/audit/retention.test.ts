import { sql } from 'kysely'
import t from 'tap'
import { startApp } from '../support/app.ts'
import { workJob } from '../support/jobs.ts'

const mailer = { send: async () => undefined }

t.test('delete-old-audit-events', async (t) => {
  const { context } = await startApp(t, { AUDIT_RETENTION_DAYS: '30' })
  const { db } = context
  const insert = (count: number, action: string, age: string) =>
    sql`
      insert into audit_events (id, occurred_at, action)
      select gen_random_uuid(), now() - ${age}::interval, ${action} from generate_series(1, ${count})`.execute(db)
  await insert(2500, 'old', '31 days')
  await insert(1, 'kept', '29 days')
  await workJob({ ...context, mailer }, 'delete-old-audit-events')
  t.same(await db.selectFrom('audit_events').select('action').execute(), [{ action: 'kept' }])
  await t.rejects(sql`delete from audit_events`.execute(db), { message: 'audit events are only ever added' })
  const byDefault = (await startApp(t)).context
  t.equal(byDefault.config.auditRetentionDays, 400)
})
