import type { Answer, Call, CallOptions, ChangeOptions, CreateOptions, ReadOptions, Versioned } from './call.js'
import { createList, deleteList, getList, listLists, updateList } from './generated/sdk.gen.js'
import type { ListListsData, ListPatch, NewList, TaskList } from './generated/types.gen.js'
import type { Pages } from './pages.js'
import type { Transport } from './transport.js'

export type PageQuery = NonNullable<ListListsData['query']>

export class Lists {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Your lists in the order of their creation, the inbox first. */
  list(query: PageQuery = {}, options: CallOptions = {}): Pages<TaskList> {
    return this.#transport.pages(({ cursor, ...wire }) => listLists({ ...wire, query: { ...query, ...cursor } }), options)
  }

  /** Creates an empty list. */
  create(list: NewList, options: CreateOptions = {}): Call<Versioned<TaskList>> {
    return this.#transport.call((wire) => createList({ ...wire, body: list }), options, { keyed: true })
  }

  /** The list with the number of its open and completed tasks; with `ifNoneMatch`, nothing while it is the version that you have. */
  get(listId: string, options?: CallOptions & { ifNoneMatch?: never }): Call<Versioned<TaskList>>
  get(listId: string, options: ReadOptions): Call<Versioned<TaskList | undefined>>
  get(listId: string, options: CallOptions = {}): Call<Versioned<TaskList>> {
    return this.#transport.call((wire) => getList({ ...wire, path: { listId } }), options, { answer: 304 })
  }

  /** Changes what the patch names and leaves the rest. */
  update(listId: string, patch: ListPatch, options: ChangeOptions = {}): Call<Versioned<TaskList>> {
    return this.#transport.call((wire) => updateList({ ...wire, path: { listId }, body: patch }), options)
  }

  /** Deletes the list with all its tasks. */
  delete(listId: string, options: ChangeOptions = {}): Call<Answer<void>> {
    return this.#transport.call((wire) => deleteList({ ...wire, path: { listId } }), options)
  }
}
