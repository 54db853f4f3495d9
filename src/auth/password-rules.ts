import { readFileSync } from 'node:fs'
import path from 'node:path'
import { invalidField } from '../problem.ts'

/**
 * The 10,000 commonest passwords of at least 8 characters, in lower case: from the list of a million that SecLists (MIT licence) makes of leaked ones.
 */
const COMMON = new Set(
  readFileSync(path.join(import.meta.dirname, 'common-passwords.txt'), 'utf8')
    .trimEnd()
    .split('\n'),
)

/** As openapi.yaml has it (Password), which counts what is sent: letters and their accents, which normalising may put together. */
const FEWEST_CHARACTERS = 8

/**
 * Refuses a password that is too short as it is hashed, normalised (src/auth/passwords.ts), or that others would try first (NIST SP 800-63B §3.1.1.2):
 * one of the commonest, or the user's own name or address, in any case.
 * @param field where the password stands in the request body
 * @throws Problem 422
 */
export function requireAcceptablePassword(password: string, { username, email }: Readonly<{ username: string; email: string }>, field: string): void {
  const normalised = password.normalize('NFC')
  if ([...normalised].length < FEWEST_CHARACTERS)
    throw invalidField('body', field, 'minLength', `must have at least ${FEWEST_CHARACTERS} characters, of which each counts once with its accents`)
  const tried = normalised.toLowerCase()
  if (COMMON.has(tried)) throw invalidField('body', field, 'common', 'is one of the commonest passwords')
  const own = [username, email, email.slice(0, email.lastIndexOf('@'))]
  if (own.some((name) => name.toLowerCase() === tried)) throw invalidField('body', field, 'own', 'must not be your username or your e-mail address')
}
