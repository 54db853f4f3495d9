import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { networkOf } from '../address.ts'
import type { AuthConfig } from '../config.ts'
import type { Database } from '../database/database.ts'
import { rateLimited, unavailable } from '../problem.ts'
import { deleteForgottenTries, type FreeFailures, findAddresses, giveTriesBack, insertTries, secondsUntilOpen, type Tried } from './login-tries.ts'

/** By the name that was typed, whether it is somebody's or nobody's: what is counted under two names must not tell that they are one user's. */
type Account = Readonly<{ name: string; userId: string | undefined }>

/** @param account undefined for a secret that names no account */
type Attempt = Readonly<{ account?: Account; address: string }>

/** As a share of the free failures of an account from one address, which is 5. */
const FREE_OF_ADDRESS = 20
const FREE_OF_ACCOUNT = 4

type Wait = (milliseconds: number) => Promise<unknown>

const MOST_SLOWED_STEPS = 40
const MOST_SLOWED = 64
/** What one that cannot be slowed down is told to wait; it may be refused again, until the failures are forgotten an hour after the first. */
const SLOWED_SECONDS = 60
const MOST_REFUSED = 256
const MOST_QUEUED = 64
const CLEANING_MILLISECONDS = 600_000

const NOBODY = '00000000-0000-0000-0000-000000000000'

/**
 * Makes guessing passwords slow, on all instances together, and never locks anybody out because of strangers. The rules:
 *
 * - Only failures count. A success clears those of its account from its address.
 * - An account from one address: 5 failures are free. Then each try must wait 1, 2, 4 … seconds since the last, up to 15 minutes; one that comes too
 *   early is refused with 429 before anything is compared, so that nobody learns whether the password was right, and does not count.
 * - An address, over all accounts: likewise after 100 failures within an hour, since many people may be behind it. It does not keep those out whose
 *   account has logged in from there within 90 days.
 * - An account, over all addresses: never refused. After 20 failures within an hour each further one makes tries wait 100 ms more, up to 4 s, before they
 *   are looked at. Whoever comes from an address from which the account has logged in within 90 days does not wait. At most 64 wait
 *   at once on an instance. Whoever has a transaction open is refused with 429 instead, since others would wait for its connection.
 * - What is not known to be an account is treated like one. An IPv6 address stands for its /64.
 * - Failures of an account from one address are forgotten after a day without a try.
 *
 * The counts are in the database: without it nobody can log in anyway. They are raised before the password is looked at, in a statement of their own, so
 * that neither parallel tries nor a request that fails gets one for nothing (test/auth/login-throttle.test.ts).
 */
export class LoginThrottle {
  readonly #db: Database
  readonly #key: KeyObject
  readonly #settings: AuthConfig['loginThrottle']
  readonly #free: FreeFailures
  readonly #slowed: WaitingRoom
  readonly #refused: WaitingRoom
  /** The last try of each account from each address that has tries in this process. */
  readonly #turns = new Map<string, Promise<unknown>>()
  #queued = 0
  #cleanedAt = performance.now()

  constructor(db: Database, key: Buffer, settings: AuthConfig['loginThrottle'], wait: Wait = setTimeout) {
    this.#db = db
    this.#key = createSecretKey(key)
    this.#settings = settings
    this.#slowed = new WaitingRoom(MOST_SLOWED, wait)
    this.#refused = new WaitingRoom(MOST_REFUSED, wait)
    this.#free = { pair: settings.freeFailures, address: settings.freeFailures * FREE_OF_ADDRESS }
  }

  /**
   * @param verify looks at the password; undefined when it is wrong. What it throws says nothing about the password, and is not counted
   * @param db a transaction, when nothing else can be carried out before that ends (inside, in src/context.ts)
   * @param holdsConnection whether the request has a transaction open, over which others wait for its connection: then it waits for its turn alone
   * @returns what verify returned
   * @throws Problem 429 when it is too early for another try, 503 when too many are waiting
   */
  async attempt<T>(
    { account, address }: Attempt,
    verify: () => Promise<T | undefined>,
    { db = this.#db, holdsConnection = false } = {},
  ): Promise<T | undefined> {
    await this.#clean(db)
    const isKnown = await this.#isKnown(db, account?.userId, networkOf(address))
    const tries = this.#triesOf(account, networkOf(address), isKnown)
    const work = () => this.#try(db, tries, isKnown, holdsConnection, verify)
    // Whoever has the turn may be waiting for the transaction to end.
    const outcome = await (db.isTransaction ? work() : this.#inTurn(tries[0].key, work))
    if ('secondsToWait' in outcome) {
      if (!holdsConnection) await this.#refused.wait(this.#settings.refusalMilliseconds)
      throw rateLimited('There were too many wrong passwords.', outcome.secondsToWait)
    }
    return outcome.result
  }

  /** Whether the account has logged in from there of late. What is no account costs the same query. */
  async #isKnown(db: Database, userId: string | undefined, network: string): Promise<boolean> {
    const known = await findAddresses(db, userId ?? NOBODY)
    return known.some((address) => address !== null && networkOf(address) === network)
  }

  #triesOf(account: Account | undefined, network: string, isKnown: boolean): readonly [Tried, ...Tried[]] {
    const tried = (kind: Tried['kind'], ...parts: string[]): Tried => ({
      kind,
      key: createHmac('sha256', this.#key)
        .update([kind, ...parts].join('\0'))
        .digest('base64url'),
    })
    if (account === undefined) return [tried('address', network)]
    const name = account.name.trim().toLowerCase()
    return [tried('pair', name, network), ...(isKnown ? [] : [tried('address', network)]), tried('account', name)]
  }

  /** One after another, or several right passwords at once would be taken for failures, as each is until it has been looked at. */
  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(key)
    if (before !== undefined && this.#queued >= MOST_QUEUED) throw await this.#tooMany()
    this.#queued += 1
    const turn = (before ?? Promise.resolve()).then(work)
    const over = turn.then(
      () => undefined,
      () => undefined,
    )
    this.#turns.set(key, over)
    try {
      return await turn
    } finally {
      this.#queued -= 1
      if (this.#turns.get(key) === over) this.#turns.delete(key)
    }
  }

  async #try<T>(
    db: Database,
    tries: readonly Tried[],
    isKnown: boolean,
    holdsConnection: boolean,
    verify: () => Promise<T | undefined>,
  ): Promise<{ result: T | undefined } | { secondsToWait: number }> {
    const counted = await insertTries(db, tries, this.#free)
    if (counted.length < tries.length) {
      if (counted.length > 0) await giveTriesBack(db, counted, false)
      return { secondsToWait: await secondsUntilOpen(db, tries, this.#free) }
    }
    let result: T | undefined
    try {
      if (!isKnown) await this.#slowDown(counted.find(({ kind }) => kind === 'account')?.failures ?? 0, holdsConnection)
      result = await verify()
    } catch (error) {
      await giveTriesBack(db, tries, false)
      throw error
    }
    if (result !== undefined) await giveTriesBack(db, tries, true)
    return { result }
  }

  /** @param failures of the account, this try among them */
  async #slowDown(failures: number, holdsConnection: boolean): Promise<void> {
    const steps = failures - 1 - this.#settings.freeFailures * FREE_OF_ACCOUNT
    if (steps <= 0) return
    if (holdsConnection) throw rateLimited('There were too many wrong passwords. Without an Idempotency-Key this takes some seconds.', SLOWED_SECONDS)
    if (!(await this.#slowed.wait(Math.min(steps, MOST_SLOWED_STEPS) * this.#settings.slowingMilliseconds))) throw await this.#tooMany()
  }

  async #tooMany() {
    await this.#refused.wait(this.#settings.refusalMilliseconds)
    return unavailable('Too many people are logging in at once. Try again in a moment.')
  }

  async #clean(db: Database): Promise<void> {
    if (performance.now() - this.#cleanedAt < CLEANING_MILLISECONDS) return
    this.#cleanedAt = performance.now()
    await deleteForgottenTries(db)
  }
}

/** Where requests wait, as many as there is room for: a flood must not pile up here. */
class WaitingRoom {
  readonly #room: number
  readonly #wait: Wait
  #waiting = 0

  constructor(room: number, wait: Wait) {
    this.#room = room
    this.#wait = wait
  }

  /** False, at once, when there is no room. */
  async wait(milliseconds: number): Promise<boolean> {
    if (this.#waiting >= this.#room) return false
    this.#waiting += 1
    await this.#wait(milliseconds)
    this.#waiting -= 1
    return true
  }
}
