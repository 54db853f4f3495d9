import { databaseFault } from '../database/errors.ts'
import { unauthenticated } from '../problem.ts'

/** The user was deleted between the check of the token and now. */
export const gone = () => unauthenticated('The access token is not valid.')

/**
 * Runs what writes the first row of something that is a user's. That they are still there is found out by the foreign key alone.
 * @param reference the foreign key to users
 * @throws Problem 401 when they are gone
 */
export async function refusingGone<T>(write: Promise<T>, reference: string): Promise<T> {
  try {
    return await write
  } catch (error) {
    const fault = databaseFault(error)
    if (fault?.kind === 'foreignKey' && fault.constraint === reference) throw gone()
    throw error
  }
}
