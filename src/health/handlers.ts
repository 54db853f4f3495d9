import type { Context } from '../context.ts'
import type { HandlersOf } from '../contract/types.ts'
import { VERSION } from '../version.ts'
import { checkDatabase, checkDisk, checkMemory, checkMigrations, JobsCheck } from './checks.ts'

export function healthHandlers(context: Context): HandlersOf<'health'> {
  const { config, db, lifecycle } = context
  const jobsCheck = new JobsCheck(context)
  return {
    async getLiveness(_request, respond) {
      return respond(200, { status: 'ok' })
    },

    async getReadiness(_request, respond) {
      const [database, migrations, jobs, disk] = await Promise.all([checkDatabase(db), checkMigrations(db), jobsCheck.run(), checkDisk(config)])
      const checks = { database, migrations, jobs, memory: checkMemory(), disk }
      const ready = !lifecycle.draining && Object.values(checks).every(({ status }) => status === 'healthy')
      const now = Date.now()
      return respond(ready ? 200 : 503, {
        status: ready ? 'healthy' : 'unhealthy',
        service: 'docket',
        version: VERSION,
        timestamp: new Date(now).toISOString(),
        uptimeSeconds: Math.floor((now - lifecycle.startedAt) / 1000),
        checks,
      })
    },
  }
}
