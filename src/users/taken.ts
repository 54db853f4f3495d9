import { databaseFault } from '../database/errors.ts'
import { Problem } from '../problem.ts'

/**
 * Runs what writes a user. That an address or a username is taken is found out by the unique indexes alone, so that two requests at once cannot
 * both get it (test/users/races.test.ts).
 * @throws Problem 409 EMAIL_TAKEN or USERNAME_TAKEN
 */
export async function refusingTaken<T>(write: Promise<T>): Promise<T> {
  try {
    return await write
  } catch (error) {
    const fault = databaseFault(error)
    if (fault?.kind === 'unique' && fault.constraint === 'users_email_key') {
      throw new Problem('EMAIL_TAKEN', 'Somebody has registered with this e-mail address already.')
    }
    if (fault?.kind === 'unique' && fault.constraint === 'users_username_key') {
      throw new Problem('USERNAME_TAKEN', 'Somebody has registered with this username already.')
    }
    throw error
  }
}
