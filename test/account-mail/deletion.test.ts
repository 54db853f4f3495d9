import { sql } from 'kysely'
import t from 'tap'
import { startApp } from '../support/app.ts'
import { workJob } from '../support/jobs.ts'

const mailer = { send: async () => undefined }

t.test('delete-expired-mail-tokens', async (t) => {
  const { context, register } = await startApp(t)
  const { db } = context
  const ada = await register()
  const kept = () => db.selectFrom('mail_tokens').select('email').orderBy('email').execute()
  await sql`delete from mail_tokens`.execute(db)
  await sql`
    insert into mail_tokens (user_id, id, purpose, email, created_at, expires_at)
    select ${ada.id}::uuid, gen_random_uuid(), 'verify_email'::mail_token_purpose, 'old', now() - interval '3 days', now() - interval '25 hours' from generate_series(1, 2500)
    union all select ${ada.id}::uuid, gen_random_uuid(), 'verify_email'::mail_token_purpose, 'counted', now() - interval '2 days', now() - interval '23 hours'
    union all select ${ada.id}::uuid, gen_random_uuid(), 'verify_email'::mail_token_purpose, 'good', now(), now() + interval '1 day'`.execute(db)
  t.equal((await kept()).length, 2502)
  await workJob({ ...context, mailer }, 'delete-expired-mail-tokens')
  t.same(await kept(), [{ email: 'counted' }, { email: 'good' }])
  await workJob({ ...context, mailer }, 'delete-expired-mail-tokens')
  t.equal((await kept()).length, 2)
})
