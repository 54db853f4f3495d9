import type { JWT } from '@fastify/jwt'
import { BoundedMap } from '../bounded-map.ts'
import type { Key, KeyRing } from '../keys.ts'
import { unauthenticated } from '../problem.ts'

/** What an access token says. What its bearer may do is decided by the session's and the user's present state, not by the token. */
export type AccessTokenClaims = Readonly<{
  sub: string
  sid: string
  exp: number
}>

/** How many verified tokens are remembered. */
const MOST_REMEMBERED = 10_000
const LONGEST_TOKEN = 2048
/** Seconds. No setting allows a longer life (src/config.ts). */
const LONGEST_LIFE = 86_400
/** Seconds that the clock of the instance that made a token may be ahead. */
const CLOCK_TOLERANCE = 60

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const ISSUER = 'docket'
const AUDIENCE = 'docket-api'
const TYPE = 'at+jwt'

/** Settings for @fastify/jwt: one algorithm, one issuer, one audience, one type (RFC 8725 §3.1, §3.11; RFC 9068 §2.1). */
export const jwtOptions = ({ id, bytes }: Key, lifetimeSeconds: number) => ({
  secret: bytes,
  sign: {
    algorithm: 'HS256' as const,
    iss: ISSUER,
    aud: AUDIENCE,
    expiresIn: lifetimeSeconds,
    header: { alg: 'HS256' as const, typ: TYPE, kid: id },
  },
  verify: {
    algorithms: ['HS256' as const],
    allowedIss: ISSUER,
    allowedAud: AUDIENCE,
    requiredClaims: ['iss', 'aud', 'sub', 'sid', 'iat', 'exp'],
    checkTyp: TYPE,
  },
})

/** Signs and verifies access tokens (JWT, RFC 7519). */
export class AccessTokens {
  readonly #jwt: JWT
  readonly #keys: KeyRing
  readonly #verified = new BoundedMap<string, AccessTokenClaims>(MOST_REMEMBERED)

  /** @param keys the first one is that of `jwt` */
  constructor(jwt: JWT, keys: KeyRing) {
    this.#jwt = jwt
    this.#keys = keys
  }

  sign(userId: string, sessionId: string): string {
    return this.#jwt.sign({ sub: userId, sid: sessionId })
  }

  /**
   * A good signature stays good, so it is checked once a token (50 µs); the expiry is checked each time.
   * @throws Problem 401 for anything but a token of ours that has not expired
   */
  verify(token: string): AccessTokenClaims {
    const claims = this.#verified.get(token) ?? this.#verifyAnew(token)
    if (claims.exp * 1000 <= Date.now()) {
      this.#verified.delete(token)
      throw unauthenticated('The access token has expired.', 'TOKEN_EXPIRED')
    }
    return claims
  }

  #verifyAnew(token: string): AccessTokenClaims {
    if (token.length > LONGEST_TOKEN) throw unauthenticated('The access token is not valid.')
    let claims: Record<string, unknown>
    try {
      claims = this.#jwt.verify(token, this.#previousKeyOf(token))
    } catch (error) {
      // Whatever the library says, and it says many things with a 500, the token is not good.
      const expired = error instanceof Error && 'code' in error && /EXPIRED/.test(String(error.code))
      throw expired ? unauthenticated('The access token has expired.', 'TOKEN_EXPIRED') : unauthenticated('The access token is not valid.')
    }
    const { sub, sid, iat, exp } = claims
    // The library decodes leniently: a token whose last character has spare bits set is another text for the same bytes.
    if (!isUuid(sub) || !isUuid(sid) || !isPeriod(iat, exp) || !isCanonical(token)) throw unauthenticated('The access token is not valid.')
    const verified = { sub, sid, exp }
    this.#verified.set(token, verified)
    return verified
  }

  /**
   * The key that the header of a token names (RFC 7515 §4.1.4), unless that is the present one, by which tokens without a name are signed (1.0.0). It is
   * looked up among ours and nowhere else.
   * @throws Error for a name that is none of ours: we have never signed under it
   */
  #previousKeyOf(token: string): { key: Buffer } | undefined {
    const [header = ''] = token.split('.')
    const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid?: unknown }
    const [current, ...previous] = this.#keys
    if (kid === undefined || kid === current.id) return undefined
    const named = previous.find(({ id }) => id === kid)
    if (named === undefined) throw new Error('The key is unknown.')
    return { key: named.bytes }
  }
}

const isUuid = (claim: unknown): claim is string => typeof claim === 'string' && UUID.test(claim)

/** The library looks at neither: a token of the future, or of a longer life than ours have, is made by somebody with the key. */
function isPeriod(iat: unknown, exp: unknown): exp is number {
  if (!Number.isSafeInteger(iat) || !Number.isSafeInteger(exp)) return false
  const life = Number(exp) - Number(iat)
  return Number(iat) <= Date.now() / 1000 + CLOCK_TOLERANCE && life > 0 && life <= LONGEST_LIFE
}

function isCanonical(token: string): boolean {
  return token.split('.').every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)
}
