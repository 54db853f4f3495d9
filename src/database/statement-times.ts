import { AsyncLocalStorage } from 'node:async_hooks'
import type { KyselyConfig } from 'kysely'

/** What the statements of one piece of work have taken in all; those that ran at once add up. */
export class StatementTimes {
  statements = 0
  milliseconds = 0
}

/** Told of every statement, in the context of whoever sent it. */
export type NoteStatement = (milliseconds: number) => void

/** For Kysely, which times its statements only then. */
export const noting = (noteStatement: NoteStatement | undefined): Pick<KyselyConfig, 'log'> =>
  noteStatement === undefined ? {} : { log: ({ queryDurationMillis }) => noteStatement(queryDurationMillis) }

const current = new AsyncLocalStorage<StatementTimes>()

/** Counts the statements of this work, and of all that it leads to, for these times. */
export const timeStatements = (times: StatementTimes, work: () => void): void => current.run(times, work)

export const noteStatement: NoteStatement = (milliseconds) => {
  const times = current.getStore()
  if (times === undefined) return
  times.statements += 1
  times.milliseconds += milliseconds
}
