import { randomBytes } from 'node:crypto'

type Task = {
  /** It may have any of these; one, unless a change was not acknowledged. */
  titles: (string | undefined)[]
  /** Being changed, or changed with an unknown outcome: such a change may still happen after a later one. */
  busy: boolean
}

/** What there is in a database: tasks by their ids, and names of users. */
export type Stored = Readonly<{ tasks: ReadonlyMap<string, string>; usernames: ReadonlySet<string> }>

/** What was acknowledged, to compare it with what is stored. */
export class Ledger {
  /** Of a run: everything that it writes has a name that begins with this. */
  readonly #prefix = `l${randomBytes(4).toString('hex')}`
  readonly #tasks = new Map<string, Task>()
  readonly #tasksOf = new Map<number, string[]>()
  readonly #usernames = new Set<string>()
  #names = 0

  newName(): string {
    this.#names += 1
    return `${this.#prefix}-${this.#names}`
  }

  /** How many writes were acknowledged that made something. */
  get acknowledged(): number {
    return this.#tasks.size + this.#usernames.size
  }

  registered(username: string): void {
    this.#usernames.add(username)
  }

  created(person: number, id: string, title: string): void {
    this.#tasks.set(id, { titles: [title], busy: false })
    const ids = this.#tasksOf.get(person) ?? []
    ids.push(id)
    this.#tasksOf.set(person, ids)
  }

  anyTask(person: number): string | undefined {
    return this.#tasksOf.get(person)?.at(-1)
  }

  /**
   * Changes one of somebody's tasks that nobody else is changing.
   * @param title the new one; undefined when the task is deleted
   * @param send resolves with whether the change was acknowledged
   */
  async change(person: number, title: string | undefined, send: (taskId: string) => Promise<boolean>): Promise<void> {
    const id = this.#tasksOf.get(person)?.find((id) => {
      const task = this.#tasks.get(id)
      return task?.busy === false && task.titles[0] !== undefined
    })
    const task = id === undefined ? undefined : this.#tasks.get(id)
    if (id === undefined || task === undefined) return
    task.busy = true
    task.titles.push(title)
    if (!(await send(id))) return
    task.titles = [title]
    task.busy = false
  }

  /** A sentence for each acknowledged write that is not there. */
  lost({ tasks, usernames }: Stored): string[] {
    const changed = [...this.#tasks].filter(([id, { titles }]) => !titles.includes(tasks.get(id)))
    const gone = [...this.#usernames].filter((name) => !usernames.has(name))
    return [
      ...changed.map(([id, { titles }]) => `The task ${id} is ${tasks.get(id) ?? 'not there'} instead of ${titles.join(' or ')}.`),
      ...gone.map((name) => `The user ${name} is not there.`),
    ]
  }

  /** Names of what is stored although nobody was told so: the outcomes that remained unknown. */
  unacknowledged({ tasks, usernames }: Stored): string[] {
    const unknownTasks = [...tasks].filter(([id, title]) => title.startsWith(this.#prefix) && !this.#tasks.has(id)).map(([, title]) => title)
    return [...unknownTasks, ...[...usernames].filter((name) => name.startsWith(this.#prefix) && !this.#usernames.has(name))]
  }
}
