import { createHook } from 'node:async_hooks'
import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import t from 'tap'
import type { LoginThrottleKind } from '../../generated/database.ts'
import { LoginThrottle } from '../../src/auth/login-throttle.ts'
import { deleteForgottenTries, insertTries, secondsUntilOpen } from '../../src/auth/login-tries.ts'
import type { Context } from '../../src/context.ts'
import type { Database } from '../../src/database/database.ts'
import { createDatabase, EMBEDDED, PASSWORD, startApp, type TestApp } from '../support/app.ts'

const WRONG = 'not their password'

/** Makes all tries that many seconds older. */
const age = (db: Database, seconds: number) =>
  sql`update login_throttles
    set tried_at = tried_at - make_interval(secs => ${seconds}), started_at = started_at - make_interval(secs => ${seconds})`.execute(db)

/** Makes what is closed stay so, and what is not so any more be open, however slow the machine is. */
const hold = (db: Database) => age(db, -600)
const pass = (db: Database) => age(db, 700)

/** The failures of the one row of this kind; 0 where there is none. */
async function failuresOf(db: Database, kind: LoginThrottleKind): Promise<number> {
  const rows = await db.selectFrom('login_throttles').select('failures').where('kind', '=', kind).execute()
  return Math.max(0, ...rows.map(({ failures }) => failures))
}

/** The throttle of a further instance, whose waits are the test's own. */
const throttleOf = ({ db, keys }: Context, wait?: (milliseconds: number) => Promise<unknown>, freeFailures = 5) =>
  new LoginThrottle(db, keys.loginThrottle[0].bytes, { freeFailures, refusalMilliseconds: 1, slowingMilliseconds: 100 }, wait)

const DEFAULTS = { pair: 5, address: 100 }

const addressOf = (number: number) => `203.0.${113 + Math.floor(number / 250)}.${1 + (number % 250)}`

function using(app: TestApp) {
  const from = (address: string) => ({ 'X-Forwarded-For': address })
  const logIn = (username: string, password: string, address = '192.0.2.1') =>
    app.as()('login', { body: { username, password }, headers: from(address) })
  const statusOf = async (...login: Parameters<typeof logIn>) => (await logIn(...login)).status
  /** Wrong passwords, one after another. */
  const fail = async (times: number, username: string, address?: string) => {
    const statuses: number[] = []
    for (let time = 0; time < times; time += 1) statuses.push(await statusOf(username, WRONG, address))
    return statuses
  }
  /** All free failures of one pair, the last of them just now. */
  const exhaust = async (username: string, address?: string) => {
    const statuses = await fail(5, username, address)
    await hold(app.context.db)
    return statuses
  }
  return { ...app, from, logIn, statusOf, fail, exhaust }
}

/** How many passwords were compared meanwhile. */
async function hashesDuring(work: () => Promise<unknown>): Promise<number> {
  let hashes = 0
  const init = (_: number, type: string) => {
    if (type === 'argon2:HashWorker') hashes += 1
  }
  const hook = createHook({ init }).enable()
  await work().finally(() => hook.disable())
  return hashes
}

const FREE = [401, 401, 401, 401, 401]

t.test('the throttle of logins', async (t) => {
  const database = await createDatabase(t)
  const started = using(await startApp(t, { TRUSTED_PROXIES: '127.0.0.1' }, database))
  const start = async () => {
    await started.context.db.deleteFrom('login_throttles').execute()
    return started
  }

  t.test('an account from one address: five failures are free, then each must wait twice as long as the one before', async (t) => {
    const { context, register, logIn, exhaust, statusOf } = await start()
    const ada = await register()
    t.same(await exhaust(ada.username), FREE)
    const { status, headers, body } = await logIn(ada.username, WRONG)
    t.equal(status, 429)
    t.match(headers.get('retry-after'), /^\d{1,3}$/)
    t.match(body, { code: 'RATE_LIMITED', detail: `There were too many wrong passwords. Try again in ${headers.get('retry-after')} seconds.` })
    await pass(context.db)
    t.equal(await statusOf(ada.username, WRONG), 401)
    await hold(context.db)
    t.equal(await statusOf(ada.username, WRONG), 429)
  })

  t.test('the waits: 1, 2, 4 … seconds, and 15 minutes at most', async (t) => {
    const { context } = await start()
    // In a transaction no time passes.
    await context.db.transaction().execute(async (trx) => {
      const tries = [{ kind: 'pair' as const, key: 'pair'.padEnd(43) }]
      for (let failure = 0; failure < 5; failure += 1) t.equal((await insertTries(trx, tries, DEFAULTS)).length, 1)
      for (const seconds of [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]) {
        await age(trx, seconds - 0.5)
        t.same(await insertTries(trx, tries, DEFAULTS), [], `${seconds}`)
        await age(trx, 0.5 - seconds)
        t.equal(await secondsUntilOpen(trx, tries, DEFAULTS), seconds)
        await age(trx, seconds + 0.001)
        t.equal((await insertTries(trx, tries, DEFAULTS)).length, 1, `${seconds}`)
      }
    })
  })

  t.test('the failures of an address are forgotten an hour after the first of them, however often somebody mistypes', async (t) => {
    const { context } = await start()
    await context.db.transaction().execute(async (trx) => {
      const tries = [{ kind: 'address' as const, key: 'address'.padEnd(43) }]
      const few = { ...DEFAULTS, address: 20 }
      const mistype = async () => (await insertTries(trx, tries, few)).length === 1
      for (let failure = 0; failure < 20; failure += 1) t.equal((await insertTries(trx, tries, few)).length, 1)
      t.equal(await mistype(), false)
      // Then somebody mistypes every ten minutes, for a day.
      const refused: number[] = []
      for (let minute = 10; minute <= 24 * 60; minute += 10) {
        await age(trx, 600)
        if (!(await mistype())) refused.push(minute)
      }
      t.ok(
        refused.every((minute) => minute < 60),
        refused.join(),
      )
    })
  })

  t.test('too early, the right password is refused as a wrong one is; in time it gets through, and clears the failures', async (t) => {
    const { context, register, logIn, exhaust, statusOf } = await start()
    const ada = await register()
    await exhaust(ada.username)
    const refusals = await Promise.all(
      [PASSWORD, WRONG].map(async (password) => {
        const { status, headers, body } = await logIn(ada.username, password)
        return [status, [...headers.keys()], { ...(body as object), requestId: '', detail: '' }]
      }),
    )
    t.same(refusals[0], refusals[1])
    t.equal(await hashesDuring(() => logIn(ada.username, PASSWORD)), 0)
    await pass(context.db)
    t.equal(await statusOf(ada.username, PASSWORD), 200)
    t.same(await exhaust(ada.username), FREE)
    t.equal(await statusOf(ada.username, PASSWORD), 429)
  })

  t.test('once Retry-After has passed, the right password gets through', async (t) => {
    const { context, register, logIn, exhaust, statusOf } = await start()
    const ada = await register()
    await exhaust(ada.username)
    const { headers } = await logIn(ada.username, WRONG)
    await age(context.db, Number(headers.get('retry-after')))
    t.equal(await statusOf(ada.username, PASSWORD), 200)
  })

  t.test('refusals do not count: whoever comes back in time gets in, however often they came too early', async (t) => {
    const { context, register, fail, exhaust } = await start()
    const ada = await register()
    await exhaust(ada.username)
    t.same(new Set(await fail(20, ada.username)), new Set([429]))
    for (const kind of ['pair', 'address', 'account'] as const) t.equal(await failuresOf(context.db, kind), 5)
  })

  t.test(
    'a name counts in any case, by both operations; another name of the same account by itself, or it would tell that they are one',
    async (t) => {
      const { context, register, as, from, statusOf } = await start()
      const ada = await register('Ada')
      const names = ['ada', 'ADA', ' ada ', 'Ada', 'aDa']
      for (const [index, username] of names.entries()) {
        if (index % 2 === 0) t.equal(await statusOf(username, WRONG), 401)
        else await as()('createToken', { body: { grant_type: 'password', username, password: WRONG }, headers: from('192.0.2.1'), expect: 401 })
      }
      await hold(context.db)
      for (const username of names) t.equal(await statusOf(username, PASSWORD), 429, username)
      const grant = { grant_type: 'password' as const, username: 'ada', password: PASSWORD }
      const { body } = await as()('createToken', { body: grant, headers: from('192.0.2.1'), expect: 429 })
      t.match(body, { code: 'RATE_LIMITED', error: 'temporarily_unavailable' })
      t.equal(await statusOf(ada.email, WRONG), 401)
      t.equal(await statusOf('nobody@example.com', WRONG), 401)
    },
  )

  t.test('what is no account gets the same answers, and costs the same work', async (t) => {
    const { context, register, logIn } = await start()
    const ada = await register()
    const course = async (username: string) => {
      const answers: unknown[] = []
      const hashes = await hashesDuring(async () => {
        for (let time = 0; time < 8; time += 1) {
          const { status, headers, body } = await logIn(username, WRONG)
          answers.push([status, [...headers.keys()], { ...(body as object), requestId: '', detail: '' }])
          if (time === 4 || time === 6) await hold(context.db)
          if (time === 5) await pass(context.db)
        }
      })
      return { answers, hashes }
    }
    const known = await course(ada.username)
    t.same(
      known.answers.map((answer) => (answer as unknown[])[0]),
      [...FREE, 429, 401, 429],
    )
    t.equal(known.hashes, 6)
    for (const unknown of ['nobody', 'nobody@example.com', "' or 1=1 --", ada.id]) t.same(await course(unknown), known, unknown)
  })

  t.test('fifty wrong logins at once get five tries, on one instance and on two', async (t) => {
    const first = await start()
    // Each embedded database is one of its own.
    const second = EMBEDDED ? first : using(await startApp(t, { TRUSTED_PROXIES: '127.0.0.1' }, database))
    const flood = async (username: string) => {
      const statuses = await Promise.all(Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? first : second).statusOf(username, WRONG)))
      return statuses.filter((status) => status === 401).length
    }
    const { username } = await first.register()
    // A flood that takes more than a second gets one more, and one that takes three one more still.
    const tries = await flood(username)
    t.ok(tries >= 5 && tries <= 9, String(tries))
    t.equal(await failuresOf(first.context.db, 'pair'), tries)
    await sql`update login_throttles set failures = 20`.execute(first.context.db)
    await age(first.context.db, 1000)
    t.equal(await flood(username), 1)
  })

  t.test('fifty right logins at once all get in', async (t) => {
    const { register, statusOf } = await start()
    const ada = await register()
    const statuses = await Promise.all(Array.from({ length: 50 }, () => statusOf(ada.username, PASSWORD)))
    t.same(new Set(statuses), new Set([200]))
  })

  t.test('an address: after a hundred failures over all accounts it waits, and others do not', async (t) => {
    const { context, register, statusOf, fail } = await start()
    const ada = await register()
    for (let account = 0; account < 100; account += 1) t.equal((await fail(1, `nobody-${account}`))[0], 401)
    await hold(context.db)
    t.equal(await statusOf(ada.username, PASSWORD), 429)
    t.equal(await statusOf(ada.username, PASSWORD, '192.0.2.2'), 200)
    await pass(context.db)
    t.equal(await statusOf(ada.username, PASSWORD), 200)
    t.equal(await failuresOf(context.db, 'address'), 100, 'a success gives back its own try alone')
    await hold(context.db)
    t.same(await fail(1, 'nobody'), [429])
    await age(context.db, 4300)
    t.same(await fail(1, 'nobody'), [401], 'forgotten after an hour')
  })

  t.test('an IPv6 address counts with its network', async (t) => {
    const { context, statusOf } = await start()
    for (let host = 1; host <= 5; host += 1) t.equal(await statusOf('nobody', WRONG, `2001:db8::${host}`), 401)
    await hold(context.db)
    t.equal(await statusOf('nobody', WRONG, '2001:db8::6'), 429)
    t.equal(await statusOf('nobody', WRONG, '2001:db8:0:1::1'), 401)
  })

  t.test('a forged X-Forwarded-For of a peer that is no trusted proxy changes nothing', async (t) => {
    const { context, statusOf } = using(await startApp(t))
    for (let number = 0; number < 5; number += 1) t.equal(await statusOf('nobody', WRONG, addressOf(number)), 401)
    await hold(context.db)
    t.equal(await statusOf('nobody', WRONG, addressOf(5)), 429)
  })

  t.test('two hundred addresses guess the password of one account: its owner gets in at once, and from a new address too', async (t) => {
    const { context, register, logIn, statusOf } = await start()
    const ada = await register()
    t.equal(await statusOf(ada.username, PASSWORD, '198.51.100.7'), 200)
    for (let number = 0; number < 200; number += 20) {
      const some = Array.from({ length: 20 }, (_, index) => addressOf(number + index))
      await Promise.all(some.flatMap((address) => [1, 2, 3].map(() => logIn(ada.username, WRONG, address))))
    }
    t.equal(await failuresOf(context.db, 'account'), 600)
    t.equal(await statusOf(ada.username, PASSWORD, '198.51.100.7'), 200)
    t.equal(await statusOf(ada.email, PASSWORD, '198.51.100.99'), 200)
  })

  t.test('what strangers do slows tries down by four seconds at most, but not those from where the account has logged in', async (t) => {
    const { context, register, fail, statusOf } = await start()
    const ada = await register()
    t.equal(await statusOf(ada.username, PASSWORD, '2001:db8::7'), 200)
    const waits: number[] = []
    const throttle = throttleOf(context, async (milliseconds) => waits.push(milliseconds))
    const tryFrom = async (address: string) => {
      waits.length = 0
      t.equal(await throttle.attempt({ account: { name: ada.username, userId: ada.id }, address }, async () => 'right'), 'right')
      return waits[0] ?? 0
    }
    const slowed: number[] = []
    for (let number = 0; number < 65; number += 1) {
      slowed.push(await tryFrom('198.51.100.99'))
      await fail(1, ada.username, addressOf(number))
    }
    t.same(slowed.slice(18, 24), [0, 0, 0, 100, 200, 300])
    t.same(slowed.slice(59), [3900, 4000, 4000, 4000, 4000, 4000])
    t.equal(await tryFrom('2001:db8::8'), 0)
    t.equal(await tryFrom('2001:db8:0:1::8'), 4000)
    await sql`update sessions set created_at = now() - interval '91 days'`.execute(context.db)
    t.equal(await tryFrom('2001:db8::8'), 4000)
    await age(context.db, 3601)
    t.equal(await tryFrom('2001:db8::8'), 0, 'forgotten after an hour')
  })

  t.test('nobody waits who holds a connection: what would is refused', async (t) => {
    const { context, fail } = await start()
    for (let number = 0; number < 30; number += 1) await fail(1, 'nobody', addressOf(number))
    const waits: number[] = []
    const throttle = throttleOf(context, async (milliseconds) => waits.push(milliseconds))
    const attempt = (address: string, options?: { holdsConnection: boolean }) =>
      throttle.attempt({ account: { name: 'nobody', userId: undefined }, address }, async () => undefined, options)
    const held = { holdsConnection: true }
    await t.rejects(attempt(addressOf(100), held), { code: 'RATE_LIMITED', headers: { 'Retry-After': '60' } })
    for (let time = 0; time < 5; time += 1) await attempt(addressOf(101))
    t.equal(waits.splice(0).length, 5)
    await hold(context.db)
    await t.rejects(attempt(addressOf(101), held), { code: 'RATE_LIMITED' })
    t.same(waits, [])
    await t.rejects(attempt(addressOf(101)), { code: 'RATE_LIMITED' })
    t.same(waits, [1])
  })

  t.test('a bounded number waits: beyond it 503, which is no failure', async (t) => {
    const { context, fail } = await start()
    for (let number = 0; number < 30; number += 1) await fail(1, 'nobody', addressOf(number))
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    let waiting = 0
    const throttle = throttleOf(context, async (milliseconds) => {
      // The refusal's own wait is not held up.
      if (milliseconds === 1) return
      waiting += 1
      await released
    })
    const attempt = (number: number) =>
      throttle.attempt({ account: { name: 'nobody', userId: undefined }, address: addressOf(number) }, async () => undefined)
    const slowed = Array.from({ length: 64 }, (_, index) => attempt(100 + index))
    while (waiting < 64) await setImmediate()
    await t.rejects(attempt(300), { code: 'UNAVAILABLE', headers: { 'Retry-After': '1' } })
    release()
    t.same(new Set(await Promise.all(slowed)), new Set([undefined]))
    t.equal(await failuresOf(context.db, 'account'), 94)
  })

  t.test('a try that was not looked at is no failure, and neither is one that failed for another reason', async (t) => {
    const { context } = await start()
    const throttle = throttleOf(context)
    const attempt = () =>
      throttle.attempt({ account: { name: 'nobody', userId: undefined }, address: '192.0.2.1' }, async () => {
        throw new Error('too busy')
      })
    for (let time = 0; time < 10; time += 1) await t.rejects(attempt(), { message: 'too busy' })
    for (const kind of ['pair', 'address', 'account'] as const) t.equal(await failuresOf(context.db, kind), 0)
  })

  t.test('a try counts before it is known to have failed: an instance that ends meanwhile gives nothing away', async (t) => {
    const { context } = await start()
    let looking = false
    throttleOf(context).attempt({ account: { name: 'nobody', userId: undefined }, address: '192.0.2.1' }, () => {
      looking = true
      return new Promise(() => {})
    })
    while (!looking) await setImmediate()
    for (const kind of ['pair', 'address', 'account'] as const) t.equal(await failuresOf(context.db, kind), 1)
  })

  t.test('a secret that names no account counts against the address alone', async (t) => {
    const { context, statusOf } = using(await startApp(t, { TRUSTED_PROXIES: '127.0.0.1', LOGIN_FREE_FAILURES: '1' }))
    const throttle = throttleOf(context, undefined, 1)
    for (let time = 0; time < 20; time += 1) t.equal(await throttle.attempt({ address: '192.0.2.1' }, async () => undefined), undefined)
    await hold(context.db)
    await t.rejects(
      throttle.attempt({ address: '192.0.2.1' }, async () => 'right'),
      { code: 'RATE_LIMITED' },
    )
    t.equal(await statusOf('nobody', WRONG), 429)
    t.equal(await statusOf('nobody', WRONG, '192.0.2.2'), 401)
    t.equal(await failuresOf(context.db, 'pair'), 1)
  })

  t.test('failures of an account from an address are forgotten after a day, and then deleted', async (t) => {
    const { context, fail } = await start()
    await fail(5, 'nobody')
    await age(context.db, 82_800)
    t.same(await fail(1, 'nobody'), [401])
    await hold(context.db)
    t.same(await fail(1, 'nobody'), [429], 'not forgotten after 23 hours')
    await pass(context.db)
    await deleteForgottenTries(context.db)
    t.equal(await failuresOf(context.db, 'pair'), 6)
    await age(context.db, 86_401)
    t.same(await fail(2, 'nobody'), [401, 401])
    t.equal(await failuresOf(context.db, 'pair'), 2)
    await age(context.db, 86_401)
    await deleteForgottenTries(context.db)
    t.same(await context.db.selectFrom('login_throttles').selectAll().execute(), [])
  })

  t.test('nothing that was typed is stored, nor from where', async (t) => {
    const { context, fail } = await start()
    await fail(1, 'my password, typed into the wrong field')
    const rows = await context.db.selectFrom('login_throttles').selectAll().execute()
    t.same(rows.map(({ kind }) => kind).toSorted(), ['account', 'address', 'pair'])
    for (const { key } of rows) t.match(key, /^[\w-]{43}$/)
  })

  t.test('the general limits switched off do not switch this one off', async (t) => {
    const { exhaust, statusOf } = await start()
    t.same(await exhaust('nobody'), FREE)
    t.equal(await statusOf('nobody', WRONG), 429)
  })
})
