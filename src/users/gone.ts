import { databaseFault } from '../database/errors.ts'
import { unauthenticated } from '../problem.ts'

/** Whoever sends a request was deleted between the check of their token and now. */
export const userGone = () => unauthenticated('The access token is not valid.')

const OWNERS = /^(lists|categories)_owner_id_fkey$/

/**
 * Runs what gives a user a list or a task.
 * @throws Problem 401 when the user has been deleted meanwhile: there is nobody to own it, or no inbox to put it into
 */
export async function refusingGone<T>(write: Promise<T>): Promise<T> {
  try {
    return await write
  } catch (error) {
    const fault = databaseFault(error)
    if ((fault?.kind === 'foreignKey' && OWNERS.test(fault.constraint)) || (fault?.kind === 'notNull' && fault.column === 'list_id')) throw userGone()
    throw error
  }
}
