import type { Logger } from 'pino'
import { BoundedMap } from '../bounded-map.ts'
import type { Client, Principal } from '../contract/types.ts'
import type { Database } from '../database/database.ts'
import { recordEvent } from './events.ts'

const SAMPLE_MILLISECONDS = 60_000
const MOST_REMEMBERED = 10_000

/** Keeps one denial a minute of each user and operation: who tries a door a thousand times is worth one event, not a thousand. */
export class Denials {
  readonly #db: Database
  readonly #logger: Logger
  /** When the last one was kept. */
  readonly #kept = new BoundedMap<string, number>(MOST_REMEMBERED)

  constructor(db: Database, logger: Logger) {
    this.#db = db
    this.#logger = logger
  }

  /** Beside the request, which has its answer already. */
  record(principal: Principal, client: Client): void {
    const door = `${principal.id} ${client.operation}`
    const now = Date.now()
    if (now - (this.#kept.get(door) ?? 0) < SAMPLE_MILLISECONDS) return
    this.#kept.set(door, now)
    recordEvent(this.#db, client, { action: 'access.denied', userId: principal.id, actor: principal }).catch((error: Error) =>
      this.#logger.warn({ requestId: client.requestId, error: error.message }, 'a denial could not be recorded'),
    )
  }
}
