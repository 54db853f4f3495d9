import type { UserRole } from '../../generated/database.ts'
import type { Principal } from '../contract/types.ts'

const USER_SCOPES = ['account:read', 'account:write', 'tasks:read', 'tasks:write', 'webhooks:write'] as const

/** What is left to somebody whose address must be verified first: to do that, to leave, and to look after their account. */
const UNVERIFIED_SCOPES: ReadonlySet<string> = new Set(['account:read', 'account:write'])

/** Every scope that a role allows. */
export function scopesOf(role: UserRole): readonly string[] {
  return role === 'admin' ? ['admin', ...USER_SCOPES] : USER_SCOPES
}

/** What is left of the scopes that were granted once, now that the user has this role. */
export function effectiveScopes(role: UserRole, granted: readonly string[]): ReadonlySet<string> {
  const allowed = scopesOf(role)
  return new Set(granted.filter((scope) => allowed.includes(scope)))
}

type Standing = Readonly<{ role: UserRole; email_verified_at: string | null }>

/**
 * What a token may do now, of what it was given, and what waits until the user's address is verified.
 * @param demandsVerifiedEmail whether it does wait
 */
export function scopesNow(
  { role, email_verified_at }: Standing,
  granted: readonly string[],
  demandsVerifiedEmail: boolean,
): Pick<Principal, 'scopes' | 'withheldScopes'> {
  const effective = effectiveScopes(role, granted)
  if (!demandsVerifiedEmail || email_verified_at !== null) return { scopes: effective, withheldScopes: new Set() }
  return {
    scopes: new Set([...effective].filter((scope) => UNVERIFIED_SCOPES.has(scope))),
    withheldScopes: new Set([...effective].filter((scope) => !UNVERIFIED_SCOPES.has(scope))),
  }
}

/** The scopes that a login asks for; undefined when one of them is not for this role. Nothing asked for is all that there are. */
export function grantedScopes(role: UserRole, asked: string | undefined): string[] | undefined {
  const allowed = scopesOf(role)
  const wanted = [...new Set((asked ?? '').split(' ').filter((scope) => scope !== ''))]
  if (wanted.length === 0) return [...allowed]
  return wanted.every((scope) => allowed.includes(scope)) ? wanted.toSorted() : undefined
}
