import type { Context } from '../context.ts'
import type { HandlersOf } from '../contract/types.ts'
import { VERSION } from '../version.ts'
import { checkDatabase, checkDisk, checkMemory, checkMigrations, JobsCheck } from './checks.ts'

export function healthHandlers(context: Context): HandlersOf<'health'> {
  const { config, db, lifecycle } = context
  const jobsCheck = new JobsCheck(context)
  const checkAll = async () => {
    const [database, migrations, jobs, disk] = await Promise.all([checkDatabase(db), checkMigrations(db), jobsCheck.run(), checkDisk(config)])
    return { database, migrations, jobs, memory: checkMemory(), disk }
  }
  // Anybody may ask as often as they like: whoever comes while it is looked at gets the same answer, or logins would have no connection left.
  let checking: ReturnType<typeof checkAll> | undefined
  const checkOnce = () => {
    checking ??= checkAll().finally(() => {
      checking = undefined
    })
    return checking
  }
  return {
    async getLiveness(_request, respond) {
      return respond(200, { status: 'ok' })
    },

    async getReadiness(_request, respond) {
      const checks = await checkOnce()
      const ready = !lifecycle.draining && Object.values(checks).every(({ status }) => status === 'healthy')
      return respond(ready ? 200 : 503, {
        status: ready ? 'healthy' : 'unhealthy',
        service: 'docket',
        version: VERSION,
        timestamp: new Date().toISOString(),
        uptimeSeconds: Math.floor(process.uptime()),
        checks,
      })
    },
  }
}
