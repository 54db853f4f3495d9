import { nameOf, nameOfSize, RARE_WORD, type Size } from './data.ts'

export const PASSWORD = 'correct horse battery staple'

/** One request of a workload, as it goes over the wire save for the host. */
export type Request = Readonly<{ method: string; path: string; token?: string; headers?: Readonly<Record<string, string>>; body?: object }>

/** What is in the data, as one server tells of it: tokens and cursors are its own. */
export type Targets = Readonly<{ people: readonly Person[]; collector: Person; deepCursor: string; sizes: readonly Person[] }>

/** A user with the ids of some of their tasks and of the lists that these are in. */
export type Person = Readonly<{ name: string; token: string; lists: readonly string[]; tasks: readonly string[] }>

export type Workload = Readonly<{
  name: string
  /** How many connections ask at once. */
  connections: number
  requests(targets: Targets): Request[]
}>

/** How many requests of a workload are made beforehand, to be chosen from at random. */
const VARIETY = 2000
const PEOPLE = 100

const PRIORITIES = ['low', 'medium', 'high'] as const
const CONNECTIONS = 32

const getTask = ({ token }: Person, id: string): Request => ({ method: 'GET', path: `/tasks/${id}`, token })
const getPage = ({ token }: Person, list: string, limit: number): Request => ({ method: 'GET', path: `/lists/${list}/tasks?limit=${limit}`, token })
const filter = ({ token }: Person): Request => ({
  method: 'GET',
  path: '/tasks?limit=20&completed=false&priority=high&priority=medium&hasDueDate=true&sort=dueAt',
  token,
})
const search = ({ token }: Person): Request => ({ method: 'GET', path: `/tasks?limit=20&q=${RARE_WORD}`, token })
const post = ({ token }: Person, list: string, n: number): Request => ({
  method: 'POST',
  path: `/lists/${list}/tasks`,
  token,
  body: { title: `Water the plants ${n}`, description: 'All of them, and the ones in the kitchen twice', priority: PRIORITIES[n % 3] },
})
const patch = ({ token }: Person, id: string, n: number): Request => ({
  method: 'PATCH',
  path: `/tasks/${id}`,
  token,
  body: { title: `Call the plumber ${n}`, priority: PRIORITIES[n % 3] },
})

/** VARIETY requests, each for the next person and the next of their tasks and lists. */
function varied(people: readonly Person[], make: (person: Person, task: string, list: string, n: number) => Request): Request[] {
  return Array.from({ length: VARIETY }, (_, n) => {
    const person = people[n % people.length] as Person
    const turn = Math.floor(n / people.length)
    return make(person, person.tasks[turn % person.tasks.length] as string, person.lists[turn % person.lists.length] as string, n)
  })
}

export const WORKLOADS: readonly Workload[] = [
  { name: 'GET task', connections: CONNECTIONS, requests: ({ people }) => varied(people, (person, task) => getTask(person, task)) },
  {
    name: 'GET task, unchanged (304)',
    connections: CONNECTIONS,
    requests: ({ people }) => varied(people, (person, task) => ({ ...getTask(person, task), headers: { 'If-None-Match': '"1"' } })),
  },
  { name: 'page of 20', connections: CONNECTIONS, requests: ({ people }) => varied(people, (person, _, list) => getPage(person, list, 20)) },
  { name: 'page of 100', connections: CONNECTIONS, requests: ({ people }) => varied(people, (person, _, list) => getPage(person, list, 100)) },
  { name: 'filtered and sorted page of 20', connections: CONNECTIONS, requests: ({ people }) => varied(people, (person) => filter(person)) },
  {
    name: 'first page of 100,000',
    connections: CONNECTIONS,
    requests: ({ collector }) => varied([collector], (person, _, list) => getPage(person, list, 20)),
  },
  {
    name: 'page at 90 % of 100,000',
    connections: CONNECTIONS,
    requests: ({ collector, deepCursor }) =>
      varied([collector], (person, _, list) => {
        const page = getPage(person, list, 20)
        return { ...page, path: `${page.path}&cursor=${deepCursor}` }
      }),
  },
  { name: 'search in 100,000', connections: CONNECTIONS, requests: ({ collector }) => varied([collector], (person) => search(person)) },
  {
    name: 'mix: 60 % GET, 20 % page, 10 % POST, 10 % PATCH',
    connections: CONNECTIONS,
    requests: ({ people }) =>
      varied(people, (person, task, list, n) => {
        // Of n itself people and turns are made, so that its digits would give each person always the same kind.
        const kind = (n * 7919) % 10
        return kind < 6 ? getTask(person, task) : kind < 8 ? getPage(person, list, 20) : kind < 9 ? post(person, list, n) : patch(person, task, n)
      }),
  },
  { name: 'POST task', connections: CONNECTIONS, requests: ({ people }) => varied(people, (person, _, list, n) => post(person, list, n)) },
  { name: 'PATCH task', connections: CONNECTIONS, requests: ({ people }) => varied(people, (person, task, _, n) => patch(person, task, n)) },
  {
    name: 'login',
    connections: 8,
    requests: ({ people }) => people.map(({ name }) => ({ method: 'POST', path: '/auth/login', body: { username: name, password: PASSWORD } })),
  },
]

/** What is plotted against the number of tasks that a user has. */
export const PLOTTED: readonly Readonly<{ name: string; request(person: Person): Request }>[] = [
  { name: 'GET task', request: (person) => getTask(person, person.tasks[0] as string) },
  { name: 'page of 20', request: (person) => getPage(person, person.lists[0] as string, 20) },
  { name: 'filtered and sorted page of 20', request: filter },
  { name: 'search', request: search },
]

/** What a server answers, for comparison and to find what to ask for. */
export async function ask(host: string, { method, path, token, headers, body }: Request): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`http://${host}/api/v1${path}`, {
    method,
    headers: { ...headers, ...(token && { Authorization: `Bearer ${token}` }), ...(body && { 'Content-Type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

type Page = { items: { id: string }[]; nextCursor: string | null }
/** Of everybody the same on both servers: it is read from the database. */
export type Belongings = ReadonlyMap<string, Readonly<{ lists: readonly string[]; tasks: readonly string[] }>>

/** Logs in whom the workloads need, and walks to where the deep page begins. */
export async function findTargets(host: string, size: Size, belongings: Belongings): Promise<Targets> {
  const enter = async (name: string): Promise<Person> => {
    const { status, body } = await ask(host, { method: 'POST', path: '/auth/login', body: { username: name, password: PASSWORD } })
    const found = belongings.get(name)
    if (status !== 200 || found === undefined) throw new Error(`${name} cannot log in: ${status}`)
    return { name, token: (body as { accessToken: string }).accessToken, ...found }
  }
  const people: Person[] = []
  for (let user = 1; user <= Math.min(size.users, PEOPLE); user++) people.push(await enter(nameOf(user)))
  const sizes: Person[] = []
  for (const tasks of size.sizes) sizes.push(await enter(nameOfSize(tasks)))
  const collector = sizes.at(-1) as Person

  let deepCursor = ''
  for (let passed = 100; passed <= 0.9 * (size.sizes.at(-1) ?? 0); passed += 100) {
    const first = getPage(collector, collector.lists[0] as string, 100)
    const { body } = await ask(host, { ...first, path: deepCursor === '' ? first.path : `${first.path}&cursor=${deepCursor}` })
    deepCursor = String((body as Page).nextCursor)
  }
  return { people, sizes, collector, deepCursor }
}
