import type { UserRole } from '../../generated/database.ts'

const USER_SCOPES = ['account:read', 'account:write', 'tasks:read', 'tasks:write'] as const

/** Every scope that a role allows. */
export function scopesOf(role: UserRole): readonly string[] {
  return role === 'admin' ? ['admin', ...USER_SCOPES] : USER_SCOPES
}

/** What is left of the scopes that were granted once, now that the user has this role. */
export function effectiveScopes(role: UserRole, granted: readonly string[]): ReadonlySet<string> {
  const allowed = scopesOf(role)
  return new Set(granted.filter((scope) => allowed.includes(scope)))
}

/** The scopes that a login asks for; undefined when one of them is not for this role. Nothing asked for is all that there are. */
export function grantedScopes(role: UserRole, asked: string | undefined): string[] | undefined {
  const allowed = scopesOf(role)
  const wanted = [...new Set((asked ?? '').split(' ').filter((scope) => scope !== ''))]
  if (wanted.length === 0) return [...allowed]
  return wanted.every((scope) => allowed.includes(scope)) ? wanted.toSorted() : undefined
}
