import type { Answer, Call, CallOptions, ChangeOptions, CreateOptions, ReadOptions, Versioned } from './call.js'
import { createReminder, deleteReminder, getReminder, listReminders } from './generated/sdk.gen.js'
import type { NewReminder, Reminder } from './generated/types.gen.js'
import type { PageQuery } from './lists.js'
import type { Pages } from './pages.js'
import type { Transport } from './transport.js'

export class Reminders {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** The reminders of a task in the order of their creation. */
  list(taskId: string, query: PageQuery = {}, options: CallOptions = {}): Pages<Reminder> {
    return this.#transport.pages(({ cursor, ...wire }) => listReminders({ ...wire, path: { taskId }, query: { ...query, ...cursor } }), options)
  }

  /** Has you reminded of an open task, `at` a time or `minutesBefore` it is due. */
  create(taskId: string, reminder: NewReminder, options: CreateOptions = {}): Call<Versioned<Reminder>> {
    return this.#transport.call((wire) => createReminder({ ...wire, path: { taskId }, body: reminder }), options, { keyed: true })
  }

  /** The reminder; with `ifNoneMatch`, nothing while it is the version that you have. */
  get(reminderId: string, options?: CallOptions & { ifNoneMatch?: never }): Call<Versioned<Reminder>>
  get(reminderId: string, options: ReadOptions): Call<Versioned<Reminder | undefined>>
  get(reminderId: string, options: CallOptions = {}): Call<Versioned<Reminder>> {
    return this.#transport.call((wire) => getReminder({ ...wire, path: { reminderId } }), options, { answer: 304 })
  }

  /** Deletes the reminder. */
  delete(reminderId: string, options: ChangeOptions = {}): Call<Answer<void>> {
    return this.#transport.call((wire) => deleteReminder({ ...wire, path: { reminderId } }), options)
  }
}
