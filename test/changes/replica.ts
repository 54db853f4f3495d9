import type { components } from '../../generated/api.ts'
import type { Person, TestApp } from '../support/app.ts'

export type Change = components['schemas']['Change']

/** What a client keeps that applies every change. */
export class Replica {
  readonly states = new Map<string, unknown>()
  readonly versions = new Map<string, number>()
  cursor: string | undefined

  /** @throws when a change comes twice, or before the one that it follows */
  apply(change: Change): void {
    const { id, version, state } = change
    const before = this.versions.get(id) ?? 0
    if (version <= before) throw new Error(`${change.type} ${id} brings version ${version} after ${before}.`)
    this.versions.set(id, version)
    if (state === null) this.states.delete(id)
    else this.states.set(id, state)
  }

  /** Reads all that came since the last time. */
  async catchUp(as: TestApp['as'], person: Person, limit = 100): Promise<Change[]> {
    const seen: Change[] = []
    for (;;) {
      const query = { limit, ...(this.cursor !== undefined && { cursor: this.cursor }) }
      const { body } = await as(person)('listChanges', { query, expect: 200 })
      for (const change of body.items) {
        this.apply(change)
        seen.push(change)
      }
      this.cursor = body.nextCursor
      if (!body.hasMore) return seen
    }
  }
}

/** All that GET shows to somebody, by id. */
export async function everythingOf(as: TestApp['as'], person: Person): Promise<Map<string, unknown>> {
  const lists = await allOf((page) => as(person)('listLists', { query: page, expect: 200 }))
  const tasks = await allOf((page) => as(person)('listTasks', { query: { ...page, sort: 'createdAt' }, expect: 200 }))
  return new Map([...lists, ...tasks].map((resource) => [resource.id, resource]))
}

type Page<Item> = { body: { items: Item[]; nextCursor: string | null } }

async function allOf<Item>(list: (page: { limit: number; cursor?: string }) => Promise<Page<Item>>): Promise<Item[]> {
  const items: Item[] = []
  let cursor: string | null = null
  do {
    const { body }: Page<Item> = await list({ limit: 100, ...(cursor !== null && { cursor }) })
    items.push(...body.items)
    cursor = body.nextCursor
  } while (cursor !== null)
  return items
}

/** In an order of its own, to compare. */
export const sorted = (states: ReadonlyMap<string, unknown>) => [...states].toSorted(([a], [b]) => (a < b ? -1 : 1))
