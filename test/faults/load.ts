import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer, OperationId } from '../../src/contract/types.ts'
import { PASSWORD } from '../support/app.ts'
import { type Caller, callerOf, type LooseRequest } from '../support/client.ts'
import { Ledger } from './ledger.ts'

/** What became of a request. */
export type Outcome = Readonly<{
  operation: OperationId
  /** Milliseconds on the clock of performance.now(). */
  startedAt: number
  milliseconds: number
  /** Undefined when no answer came, or one that the contract does not describe: then `error` says what. */
  status: number | undefined
  retryAfter: string | null
  error: unknown
}>

type AnyReply = Readonly<{ status: number; headers: Headers; body: { id: string } }>
type Send = (id: OperationId, request: LooseRequest) => Promise<AnyReply>

type LoadOptions = Readonly<{
  /** How many people send them, each with lists and tasks of their own. */
  people?: number
  perSecond?: number
  mostUnderWay?: number
  /** What sends a request for somebody with this token; each answer is checked against the contract. */
  as?: (token: string | undefined) => Caller
}>

/** On a machine that cannot keep up, the rate falls instead of the requests piling up. */
const MOST_UNDER_WAY = 64

const NO_ANSWERS = new Map<string, Answer>()

/** How often each kind of request comes, out of the sum of all. */
const MIX: readonly (readonly [OperationId, number])[] = [
  ['getTask', 25],
  ['listTasks', 15],
  ['listLists', 10],
  ['getMe', 10],
  ['createTask', 19],
  ['updateTask', 13],
  ['deleteTask', 4],
  // It alone is a transaction of several statements.
  ['register', 4],
]
const TURNS = shuffled(MIX.flatMap(([operation, times]) => Array.from({ length: times }, () => operation)))

/** Readers and writers at a steady rate, whatever becomes of their requests, and a ledger of what was acknowledged. */
export class Load {
  readonly outcomes: Outcome[] = []
  readonly ledger = new Ledger()
  readonly #as: (token: string | undefined) => Caller
  readonly #tokens: string[] = []
  readonly #underWay = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  #turn = 0

  private constructor(as: (token: string | undefined) => Caller) {
    this.#as = as
  }

  /** Registers people, who begin at once. */
  static async start(
    url: string,
    { people = 4, perSecond = 120, mostUnderWay = MOST_UNDER_WAY, as = (token) => callerOf(url, token, NO_ANSWERS) }: LoadOptions = {},
  ): Promise<Load> {
    const load = new Load(as)
    for (let index = 0; index < people; index += 1) {
      const username = load.ledger.newName()
      const { body } = await as(undefined)('register', { body: registration(username), expect: 201 })
      load.ledger.registered(username)
      load.#tokens.push(body.accessToken)
    }
    const startedAt = performance.now()
    let sent = 0
    // By the clock: a slow answer does not hold up the next request.
    load.#timer = setInterval(() => {
      for (const due = ((performance.now() - startedAt) / 1000) * perSecond; sent < due; sent += 1)
        if (load.#underWay.size < mostUnderWay) load.#send()
    }, 5)
    return load
  }

  /** Sends nothing more, and resolves when every request has ended. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#underWay)
  }

  /** Resolves when this many requests that were sent from now on have succeeded, of every operation. */
  async succeeds(times = 1): Promise<void> {
    const from = performance.now()
    while (!MIX.every(([operation]) => this.since(from).filter((outcome) => outcome.operation === operation && succeeded(outcome)).length >= times))
      await sleep(10)
  }

  since(time: number): Outcome[] {
    return this.outcomes.filter(({ startedAt }) => startedAt >= time)
  }

  #send(): void {
    const operation = TURNS[this.#turn % TURNS.length] as OperationId
    const person = this.#turn % this.#tokens.length
    this.#turn += 1
    const request = this.#request(operation, person).finally(() => this.#underWay.delete(request))
    this.#underWay.add(request)
  }

  async #request(operation: OperationId, person: number): Promise<void> {
    const { ledger } = this
    const send: Send = (id, request) => this.#recorded(id, request, this.#tokens[person])
    const params = { taskId: ledger.anyTask(person) ?? UNKNOWN }
    if (operation === 'createTask') {
      const title = ledger.newName()
      const { status, body } = await send('createTask', { body: { title } })
      if (status === 201) ledger.created(person, body.id, title)
    } else if (operation === 'updateTask') {
      const title = ledger.newName()
      await ledger.change(person, title, async (taskId) => (await send('updateTask', { params: { taskId }, body: { title } })).status === 200)
    } else if (operation === 'deleteTask') {
      await ledger.change(person, undefined, async (taskId) => (await send('deleteTask', { params: { taskId } })).status === 204)
    } else if (operation === 'register') {
      const username = ledger.newName()
      const { status } = await this.#recorded('register', { body: registration(username) }, undefined)
      if (status === 201) ledger.registered(username)
    } else {
      await send(operation, operation === 'getTask' ? { params } : {})
    }
  }

  async #recorded(operation: OperationId, request: LooseRequest, token: string | undefined): Promise<AnyReply> {
    const startedAt = performance.now()
    let reply: AnyReply | undefined
    let error: unknown
    try {
      reply = await (this.#as(token) as unknown as Send)(operation, request)
    } catch (thrown) {
      error = thrown
    }
    const milliseconds = performance.now() - startedAt
    this.outcomes.push({ operation, startedAt, milliseconds, status: reply?.status, retryAfter: reply?.headers.get('retry-after') ?? null, error })
    return reply ?? { status: 0, headers: new Headers(), body: { id: '' } }
  }
}

const UNKNOWN = '00000000-0000-7000-8000-000000000000'

const registration = (username: string) => ({ username, email: `${username}@example.com`, password: PASSWORD })

/** A 404 is right for a task that another request has just deleted. */
export const succeeded = ({ status, operation }: Outcome) =>
  status !== undefined && (status < 300 || (status === 404 && ['getTask', 'updateTask', 'deleteTask'].includes(operation)))

export const isUnavailable = ({ status, retryAfter }: Outcome) => status === 503 && retryAfter !== null

/** "200: 312, 503: 12", and the longest that one took. */
export function summaryOf(outcomes: readonly Outcome[]): string {
  const counts = new Map<string, number>()
  for (const { status } of outcomes) counts.set(String(status), (counts.get(String(status)) ?? 0) + 1)
  const longest = outcomes.reduce((most, { milliseconds }) => Math.max(most, milliseconds), 0)
  return `${[...counts].map(([status, count]) => `${status}: ${count}`).join(', ')}; the longest took ${Math.round(longest)} ms`
}

/** The same order in every run. */
function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item, index) => ({ item, place: (index * 37) % items.length }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item)
}
