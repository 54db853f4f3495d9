import { createHook } from 'node:async_hooks'
import t from 'tap'
import { Passwords } from '../../src/auth/passwords.ts'
import { Problem } from '../../src/problem.ts'
import { startApp } from '../support/app.ts'

const SETTINGS = { memoryKibibytes: 1024, iterations: 1, parallelism: 1, concurrent: 2, queued: 100 }

t.test('Passwords', async (t) => {
  const jobs = watchHashing()
  t.teardown(() => jobs.stop())

  t.test(`never hashes more than ${SETTINGS.concurrent} at once, and no fewer when there is enough to do`, async (t) => {
    const passwords = new Passwords(SETTINGS)
    const hash = await passwords.hash('a password')
    jobs.reset()
    const kinds = [() => passwords.hash('a'), () => passwords.verify(hash, 'a'), () => passwords.verify(undefined, 'a')]
    // Whoever is done comes again at once, while the others still wait.
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        for (const hashOnce of kinds) await hashOnce()
      }),
    )
    t.same(jobs.counted(), { all: 12, atOnce: SETTINGS.concurrent })
  })

  t.test('hashes once for a login, the very first one included, whoever logs in', async (t) => {
    const hash = await new Passwords(SETTINGS).hash('a password')
    for (const [stored, password, matches] of [
      [hash, 'a password', true],
      [hash, 'another', false],
      [undefined, 'a password', false],
    ] as const) {
      const passwords = new Passwords({ ...SETTINGS, concurrent: 1 })
      jobs.reset()
      t.equal(await passwords.verify(stored, password), matches)
      t.same(jobs.counted(), { all: 1, atOnce: 1 })
    }
  })

  t.test('a full queue is a 503, without hashing', async (t) => {
    const passwords = new Passwords({ ...SETTINGS, concurrent: 1, queued: 2 })
    jobs.reset()
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => passwords.hash('a password')))
    t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 3, 'one that runs and two that wait')
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') continue
      t.ok(outcome.reason instanceof Problem)
      t.match(outcome.reason, { status: 503, code: 'UNAVAILABLE', headers: { 'Retry-After': /^\d+$/ } })
    }
    t.same(jobs.counted(), { all: 3, atOnce: 1 })
    t.equal(await passwords.verify(await passwords.hash('a password'), 'a password'), true, 'and then there is room again')
  })

  t.test('what fails gives its place back', async (t) => {
    const passwords = new Passwords({ ...SETTINGS, concurrent: 1, queued: 0 })
    await t.rejects(passwords.verify('no hash', 'a password'))
    await t.rejects(passwords.verify('$argon2id$v=19$m=1,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaA', 'a password'))
    t.match(await passwords.hash('a password'), /^\$argon2id\$/)
  })

  t.test('login and createToken: an answer or 503 to each of a crowd, and an answer to whoever comes later', async (t) => {
    const { as } = await startApp(t, { ARGON2_CONCURRENT: '1', ARGON2_QUEUED: '0', ARGON2_MEMORY_KIB: '19456', ARGON2_ITERATIONS: '2' })
    // The tries of one account from one address go one after another (LoginThrottle).
    const credentials = Array.from({ length: 20 }, (_, index) => ({ username: `nobody-${index}`, password: 'wrong, but as expensive' }))
    const logins = await Promise.all(credentials.map((body) => as()('login', { body })))
    const tokens = await Promise.all(credentials.map((body) => as()('createToken', { body: { grant_type: 'password', ...body } })))
    for (const answers of [logins, tokens]) {
      const statuses = answers.map(({ status }) => status)
      t.same([...new Set(statuses)].sort(), [401, 503], statuses.join())
    }
    for (const { status, body } of tokens) if (status === 503) t.match(body, { code: 'UNAVAILABLE', error: 'temporarily_unavailable' })
    t.equal((await as()('login', { body: { username: 'nobody', password: 'wrong' } })).status, 401)
  })
})

/** Counts the jobs that argon2 hands to libuv's threads, from the call to the answer. */
function watchHashing() {
  const running = new Set<number>()
  let all = 0
  let atOnce = 0
  const hook = createHook({
    init(id, type) {
      if (type !== 'argon2:HashWorker') return
      running.add(id)
      all += 1
      atOnce = Math.max(atOnce, running.size)
    },
    before: (id) => void running.delete(id),
  }).enable()
  return {
    stop: () => hook.disable(),
    counted: () => ({ all, atOnce }),
    reset() {
      all = 0
      atOnce = 0
    },
  }
}
