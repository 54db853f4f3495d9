import type { Logger } from 'pino'
import type { Client, Principal } from '../contract/types.ts'
import type { Database } from '../database/database.ts'
import { recordEvent } from './events.ts'
import { Sample } from './sample.ts'

/** Keeps a sample of the denials of each user and operation. */
export class Denials {
  readonly #db: Database
  readonly #logger: Logger
  readonly #sample = new Sample()

  constructor(db: Database, logger: Logger) {
    this.#db = db
    this.#logger = logger
  }

  /** Beside the request, which has its answer already. */
  record(principal: Principal, client: Client): void {
    if (!this.#sample.take(`${principal.id} ${client.operation}`)) return
    recordEvent(this.#db, client, { action: 'access.denied', userId: principal.id, actor: principal }).catch((error: Error) =>
      this.#logger.warn({ requestId: client.requestId, error: error.message }, 'a denial could not be recorded'),
    )
  }
}
