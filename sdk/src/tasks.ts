import type { Answer, Call, CallOptions, ChangeOptions, CreateOptions, ReadOptions, Versioned } from './call.js'
import { createListTask, createTask, deleteTask, getTask, listCategories, listListTasks, listTasks, updateTask } from './generated/sdk.gen.js'
import type { Category, ListTasksData, NewListTask, NewTask, Task, TaskPatch } from './generated/types.gen.js'
import type { PageQuery } from './lists.js'
import type { Pages } from './pages.js'
import type { Transport } from './transport.js'

export type TaskQuery = NonNullable<ListTasksData['query']>

export class Tasks {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** The tasks of all your lists that pass the filters, the newest first unless `sort` says otherwise. */
  list(query: TaskQuery = {}, options: CallOptions = {}): Pages<Task> {
    return this.#transport.pages(({ cursor, ...wire }) => listTasks({ ...wire, query: { ...query, ...cursor } }), options)
  }

  /** The tasks of one list, with the same filters. */
  listIn(listId: string, query: TaskQuery = {}, options: CallOptions = {}): Pages<Task> {
    return this.#transport.pages(({ cursor, ...wire }) => listListTasks({ ...wire, path: { listId }, query: { ...query, ...cursor } }), options)
  }

  /** Every category that one of your tasks has, with the number of its tasks, by name. */
  listCategories(query: PageQuery = {}, options: CallOptions = {}): Pages<Category> {
    return this.#transport.pages(({ cursor, ...wire }) => listCategories({ ...wire, query: { ...query, ...cursor } }), options)
  }

  /** Creates a task in the list `listId`, or in your inbox without one. */
  create(task: NewTask, options: CreateOptions = {}): Call<Versioned<Task>> {
    return this.#transport.call((wire) => createTask({ ...wire, body: task }), options, { keyed: true })
  }

  /** Creates a task in this list. */
  createIn(listId: string, task: NewListTask, options: CreateOptions = {}): Call<Versioned<Task>> {
    return this.#transport.call((wire) => createListTask({ ...wire, path: { listId }, body: task }), options, { keyed: true })
  }

  /** The task; with `ifNoneMatch`, nothing while it is the version that you have. */
  get(taskId: string, options?: CallOptions & { ifNoneMatch?: never }): Call<Versioned<Task>>
  get(taskId: string, options: ReadOptions): Call<Versioned<Task | undefined>>
  get(taskId: string, options: CallOptions = {}): Call<Versioned<Task>> {
    return this.#transport.call((wire) => getTask({ ...wire, path: { taskId } }), options, { answer: 304 })
  }

  /** Changes what the patch names and leaves the rest; `null` clears. A `listId` moves the task. */
  update(taskId: string, patch: TaskPatch, options: ChangeOptions = {}): Call<Versioned<Task>> {
    return this.#transport.call((wire) => updateTask({ ...wire, path: { taskId }, body: patch }), options)
  }

  /** Deletes the task for good. */
  delete(taskId: string, options: ChangeOptions = {}): Call<Answer<void>> {
    return this.#transport.call((wire) => deleteTask({ ...wire, path: { taskId } }), options)
  }
}
