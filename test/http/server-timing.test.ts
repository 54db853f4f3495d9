import t from 'tap'
import { startApp } from '../support/app.ts'

const TIMING = /^db;dur=(\d+\.\d);desc="(\d+) statements?", total;dur=(\d+\.\d)$/

t.test('Server-Timing', async (t) => {
  const origin = 'http://localhost:5173'
  const { url, as, register } = await startApp(t, { NODE_ENV: 'development', CORS_ORIGINS: origin })
  const ada = await register()

  t.test('tells how many statements an answer took, and how long', async (t) => {
    const { body, headers: created } = await as(ada)('createTask', { body: { title: 'Write' }, expect: 201 })
    const { headers } = await as(ada)('getTask', { params: { taskId: body.id }, expect: 200 })
    for (const timing of [created.get('server-timing'), headers.get('server-timing')]) {
      const [, database, statements, total] = TIMING.exec(timing ?? '')?.map(Number) ?? []
      // Who sends it may have to be looked up as well.
      t.ok(statements === 1 || statements === 2, timing ?? 'none')
      t.ok(Number(database) <= Number(total), timing ?? 'none')
    }
    const { headers: none } = await as()('getLiveness', { expect: 200 })
    t.match(none.get('server-timing'), /^db;dur=0\.0;desc="0 statements", total;/)
  })

  t.test('counts those of transactions, and of answers that are refusals', async (t) => {
    const { headers } = await as(ada)('createList', { body: { title: 'Errands' }, headers: { 'Idempotency-Key': 'once-and-for-all' }, expect: 201 })
    t.ok(Number(TIMING.exec(headers.get('server-timing') ?? '')?.[2]) > 2, headers.get('server-timing') ?? 'none')
    const { headers: refused } = await as(ada)('getTask', { params: { taskId: ada.id }, expect: 404 })
    t.match(refused.get('server-timing'), /"[12] statements?"/)
    t.match((await fetch(`${url}/nowhere`)).headers.get('server-timing'), TIMING)
  })

  t.test('is for pages of the origins that may call', async (t) => {
    const from = async (from: string) => (await fetch(`${url}/api/v1/health`, { headers: { Origin: from } })).headers.get('timing-allow-origin')
    t.equal(await from(origin), origin)
    t.equal(await from('http://elsewhere.example'), null)
  })
})

t.test('outside of development nobody is told', async (t) => {
  const { url } = await startApp(t, { CORS_ORIGINS: 'http://localhost:5173' })
  const { headers } = await fetch(`${url}/api/v1/health`, { headers: { Origin: 'http://localhost:5173' } })
  t.equal(headers.get('server-timing'), null)
  t.equal(headers.get('timing-allow-origin'), null)
})
