/**
 * An instance that takes a job and does not end it, for test/jobs/interrupted.test.ts to kill: it says so on standard output, and from then on does
 * nothing at all, not even keep time. Its argument is the name of the job.
 */
import { writeSync } from 'node:fs'
import { pino } from 'pino'
import { readConfig } from '../../src/config.ts'
import { openDatabase } from '../../src/database/client.ts'
import { defineJob, work } from '../../src/jobs/definitions.ts'
import { Jobs } from '../../src/jobs/jobs.ts'
import { updateSchema } from '../../src/schema.ts'

/** Sent where it begins, so that it can be sent by this process alone on the embedded database. */
export const interrupted = defineJob('interrupted', { tries: 2, firstPause: 0, timeout: 1 })
/** The same in its last try. */
export const interruptedAtLast = defineJob('interrupted-at-last', { tries: 1, timeout: 1 })

if (import.meta.main) {
  const connection = await openDatabase(readConfig().database, pino({ level: 'silent' }))
  await updateSchema(connection.db, connection.executeSql)
  const jobs = new Jobs(connection, { works: true }, pino({ level: 'silent' }))
  const freeze = async () => {
    writeSync(1, 'working\n')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }
  const job = process.argv[2] === interruptedAtLast.name ? interruptedAtLast : interrupted
  await jobs.start([work(job, freeze)])
  await jobs.send(connection.db, job, {})
}
