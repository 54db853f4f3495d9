import { sql } from 'kysely'
import t from 'tap'
import { startApp } from '../support/app.ts'
import { workJob } from '../support/jobs.ts'

const mailer = { send: async () => undefined }

t.test('delete-ended-sessions', async (t) => {
  const { as, context, register } = await startApp(t)
  const { db } = context
  const ada = await register()
  const insert = (count: number, agent: string, expiresAt: string, idleExpiresAt: string, revokedAt: string) =>
    sql`
      insert into sessions (user_id, id, scopes, user_agent, expires_at, idle_expires_at, revoked_at)
      select ${ada.id}, gen_random_uuid(), '{}', ${agent}, now() + ${expiresAt}::interval, now() + ${idleExpiresAt}::interval, now() + ${revokedAt}::interval
      from generate_series(1, ${count})`.execute(db)
  const none = null as unknown as string
  await insert(2500, 'expired', '-31 days', '-31 days', none)
  await insert(1, 'unused', '1 day', '-31 days', none)
  await insert(1, 'revoked', '1 day', '1 day', '-31 days')
  await insert(1, 'kept: expired', '-29 days', '-29 days', none)
  await insert(1, 'kept: revoked', '1 day', '1 day', '-29 days')
  await insert(1, 'kept: live', '1 day', '1 day', none)
  await workJob({ ...context, mailer }, 'delete-ended-sessions')
  const kept = await db.selectFrom('sessions').select('user_agent').where('user_agent', 'not in', ['node']).orderBy('user_agent').execute()
  t.same(
    kept.map(({ user_agent }) => user_agent),
    ['kept: expired', 'kept: live', 'kept: revoked'],
  )
  t.equal((await as(ada)('getMe')).status, 200)
})
