/**
 * Brings the schema up to date, that of the jobs included, or takes the newest migration back.
 * Usage: npm run migrate, npm run migrate -- down
 */
import { pino } from 'pino'
import { readConfig } from '../config.ts'
import { openEmbedded } from '../database/embedded.ts'
import { migrateDown, migrateServer } from '../database/migrate.ts'
import { explainFailure } from '../explain.ts'
import { updateSchema } from '../schema.ts'

await explainFailure(async () => {
  const [direction, ...more] = process.argv.slice(2)
  if (more.length > 0 || (direction !== undefined && direction !== 'down')) {
    process.stderr.write('Usage: npm run migrate, npm run migrate -- down\n')
    process.exit(1)
  }
  const run = direction === 'down' ? migrateDown : updateSchema
  const { database } = readConfig()
  const done = database.kind === 'server' ? await migrateServer(database.listenUrl, run) : await migrateEmbedded(database.directory)
  process.stdout.write(done.length === 0 ? 'Nothing to do.\n' : `${done.join('\n')}\n`)

  async function migrateEmbedded(directory: string | undefined): Promise<string[]> {
    const embedded = await openEmbedded(directory, pino({ level: 'silent' }))
    try {
      return await run(embedded.db, embedded.executeSql)
    } finally {
      await embedded.close()
    }
  }
})
