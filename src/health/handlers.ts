import type { Context } from '../context.ts'
import type { HandlersOf } from '../contract/types.ts'
import { VERSION } from '../version.ts'
import { checkDatabase, checkDisk, checkMemory, checkMigrations } from './checks.ts'

export const healthHandlers = ({ config, db, lifecycle }: Context): HandlersOf<'health'> => ({
  async getLiveness(_request, respond) {
    return respond(200, { status: 'ok' })
  },

  async getReadiness(_request, respond) {
    const [database, migrations, disk] = await Promise.all([checkDatabase(db), checkMigrations(db), checkDisk(config)])
    const checks = { database, migrations, memory: checkMemory(), disk }
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
})
