import { readFileSync } from 'node:fs'
import t from 'tap'
import { createMailer } from '../../src/mail/mailer.ts'
import { createWorkers } from '../../src/workers.ts'
import { startApp } from '../support/app.ts'

t.test('the README lists every repeated job with its time', async (t) => {
  const { context } = await startApp(t)
  const workers = createWorkers({ ...context, mailer: createMailer(context.config.mail, context.logger) })
  const rows = readFileSync('README.md', 'utf8').split('\n')
  const repeated = workers.flatMap(({ definition: { name, cron } }) => (cron === undefined ? [] : [{ name, cron }]))
  t.ok(repeated.length > 0)
  for (const { name, cron } of repeated) {
    const row = rows.find((line) => line.startsWith('| ') && line.includes(`\`${name}\``))
    const [minute = '', hour = ''] = cron.split(' ')
    const when = /^\d+$/.test(hour) ? `| ${hour.padStart(2, '0')}:${minute.padStart(2, '0')} |` : '|'
    t.ok(row?.includes(when), `${name}: ${cron}`)
  }
})
