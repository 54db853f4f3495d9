import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Answer } from '../../src/contract/types.ts'
import { type Caller, callerOf, type LooseRequest } from '../support/client.ts'
import type { ServerProcess } from '../support/process.ts'
import { startDurablePostgres, startInstance, storedIn, THOROUGH, until } from './cluster.ts'
import { Load, succeeded, summaryOf } from './load.ts'

const RESTARTS = THOROUGH ? 4 : 2
const POLL_INTERVAL = 100
/** Many times as long as the balancer needs to notice, for busy machines. */
const SHUTDOWN_GRACE_MS = '2000'
const NO_ANSWERS = new Map<string, Answer>()

type Member = { server: ServerProcess; ready: boolean }

/** What a load balancer does: it asks every instance whether it is ready, and sends requests to those that last said so, in turns. */
function startBalancer(t: Test, members: Member[]): () => string {
  let turn = 0
  let over = false
  const poll = async () => {
    while (!over) {
      const asked = members.map(async (member) => {
        const answer = await fetch(`${member.server.url}/api/v1/health/ready`).catch(() => undefined)
        await answer?.arrayBuffer()
        member.ready = answer?.status === 200
      })
      await Promise.all(asked)
      await sleep(POLL_INTERVAL)
    }
  }
  const polling = poll()
  t.teardown(() => {
    over = true
    return polling
  })
  return () => {
    const ready = members.filter((member) => member.ready)
    turn += 1
    const member = ready[turn % ready.length]
    if (member === undefined) throw new Error('No instance is ready.')
    return member.server.url
  }
}

const closing =
  (call: Caller): Caller =>
  (id, ...[request]) =>
    (call as unknown as (id: string, request: LooseRequest) => never)(id, { ...(request as LooseRequest), headers: { Connection: 'close' } })

t.test('stopping', async (t) => {
  const { url } = await startDurablePostgres(t)
  await t.test('two instances that are restarted in turns under load: no request fails', (t) => restartInTurns(t, url))
  await t.test('SIGTERM twice ends it at once', (t) => stopTwice(t, url))
})

async function restartInTurns(t: Test, url: string): Promise<void> {
  const start = () => startInstance(t, url, { SHUTDOWN_GRACE_MS })
  const members: Member[] = [
    { server: await start(), ready: true },
    { server: await start(), ready: true },
  ]
  const next = startBalancer(t, members)
  const loads = [
    await Load.start('', { perSecond: 80, mostUnderWay: 8, as: (token) => callerOf(next(), token, NO_ANSWERS) }),
    await Load.start('', { perSecond: 40, mostUnderWay: 4, as: (token) => closing(callerOf(next(), token, NO_ANSWERS)) }),
  ]
  t.teardown(() => Promise.all(loads.map((load) => load.stop())))
  const succeed = () => Promise.all(loads.map((load) => load.succeeds()))
  await succeed()

  for (let restart = 0; restart < RESTARTS; restart += 1) {
    const member = members[restart % 2] as Member
    t.equal(await member.server.end('SIGTERM'), 0, 'it ends by itself')
    member.server = await start()
    await until('it is ready again', () => member.ready)
    await succeed()
  }
  await Promise.all(loads.map((load) => load.stop()))

  const outcomes = loads.flatMap((load) => load.outcomes)
  t.same(
    outcomes.filter((outcome) => !succeeded(outcome)),
    [],
    `no request has failed, of ${outcomes.length}`,
  )
  const stored = await storedIn(url)
  for (const load of loads) t.same(load.ledger.lost(stored), [], 'nothing acknowledged is lost')
  t.comment(`${RESTARTS} restarts: ${summaryOf(outcomes)}`)
}

async function stopTwice(t: Test, url: string): Promise<void> {
  const server = await startInstance(t, url, { SHUTDOWN_GRACE_MS: '5000' })
  const first = server.end('SIGTERM')
  await until('it has heard the first', () => server.output().includes('finishing what is running'))
  t.equal(await server.end('SIGTERM'), 1)
  t.equal(await first, 1, 'and not as if it had finished')
}
