import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import argon2, { type HashOptions } from 'argon2'
import type { AuthConfig } from '../config.ts'
import { unavailable } from '../problem.ts'

/** How long a refusal waits: an instant one would only make a flood of logins come back faster. */
const REFUSAL_DELAY_MILLISECONDS = 1000

/**
 * Hashes passwords with argon2id (OWASP Password Storage: m=19456, t=2, p=1), at most as many at once as the settings say: each takes one of
 * libuv's threads (thread-pool.ts) for some 40 ms. A queue of bounded length waits; whoever does not fit in gets a 503.
 */
export class Passwords {
  readonly #settings: AuthConfig['passwordHash']
  readonly #options: HashOptions & { raw?: false }
  readonly #waiting: (() => void)[] = []
  readonly #dummy: string
  #running = 0
  #refused = 0

  constructor(settings: AuthConfig['passwordHash']) {
    this.#settings = settings
    this.#options = {
      type: argon2.argon2id,
      memoryCost: settings.memoryKibibytes,
      timeCost: settings.iterations,
      parallelism: settings.parallelism,
    }
    // A hash in form (PHC string), but of nobody's password.
    const random = (bytes: number) => randomBytes(bytes).toString('base64').replaceAll('=', '')
    const { memoryKibibytes: m, iterations: t, parallelism: p } = settings
    this.#dummy = `$argon2id$v=19$m=${m},t=${t},p=${p}$${random(16)}$${random(32)}`
  }

  /** Hashes that are computed and that wait now, and how many were refused since the start. */
  get queue(): Readonly<{ running: number; waiting: number; refused: number }> {
    return { running: this.#running, waiting: this.#waiting.length, refused: this.#refused }
  }

  hash(password: string): Promise<string> {
    return this.#queued(() => argon2.hash(normalised(password), this.#options))
  }

  /** @param hash undefined for a user that does not exist, who costs a hash all the same: nobody learns from the time who is registered */
  async verify(hash: string | undefined, password: string): Promise<boolean> {
    const matches = await this.#queued(() => argon2.verify(hash ?? this.#dummy, normalised(password)))
    return matches && hash !== undefined
  }

  /** Whether a hash was made with weaker parameters than today's. */
  isOutdated(hash: string): boolean {
    const parameter = (name: string) => Number(new RegExp(`[$,]${name}=(\\d+)[$,]`).exec(hash)?.[1] ?? 0)
    return parameter('m') < this.#settings.memoryKibibytes || parameter('t') < this.#settings.iterations
  }

  async #queued<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#settings.concurrent) {
      if (this.#waiting.length >= this.#settings.queued) {
        this.#refused += 1
        await sleep(REFUSAL_DELAY_MILLISECONDS)
        throw unavailable('Too many people are logging in at once. Try again in a moment.')
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else {
      this.#running += 1
    }
    try {
      return await work()
    } finally {
      // The place goes to the next in line, or becomes free.
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}

/** NIST SP 800-63B §3.1.1.2: the same characters typed on another keyboard are the same password. */
const normalised = (password: string) => password.normalize('NFC')
