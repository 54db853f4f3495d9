import { DocketError } from './errors.js'
import type { TokenRequest, TokenResult } from './generated/types.gen.js'

/** What to keep from one run to the next: hand it to `createDocket` again. */
export type Tokens = Readonly<{ token: string; refreshToken: string }>

export type Login = Readonly<{
  /** The username or the e-mail address. */
  username: string
  password: string
  /** The scopes to ask for, separated by spaces; all that the role allows by default. */
  scope?: string | undefined
}>

/** How somebody begins: with tokens, with a password to get some, with both, or as nobody. */
export type Start = Readonly<{ token?: string | undefined; refreshToken?: string | undefined; login?: Login | undefined }>

type Grant = (request: TokenRequest) => Promise<TokenResult>

/**
 * The tokens of one person. Whoever logs in with the same client begins a new session, so that what the old one is still waiting for, such as a
 * refresh, cannot reach the new one.
 */
export class Session {
  #token: string | undefined
  #refreshToken: string | undefined
  readonly #login: Login | undefined
  readonly #grant: Grant
  readonly #changed: (session: Session, tokens: Tokens | undefined) => Promise<void>
  #renewal: Promise<string | undefined> | undefined

  constructor({ token, refreshToken, login }: Start, grant: Grant, changed: (session: Session, tokens: Tokens | undefined) => Promise<void>) {
    this.#token = token
    this.#refreshToken = refreshToken
    this.#login = login
    this.#grant = grant
    this.#changed = changed
  }

  /** The access token to send; the first one is fetched when it is needed. Undefined for nobody. */
  async token(): Promise<string | undefined> {
    return this.#renewal ?? this.#token ?? this.renew(undefined)
  }

  /** The token after one that was refused, or undefined when there is no way to one. Many calls may ask at once: one renewal serves all. */
  async renew(refused: string | undefined): Promise<string | undefined> {
    if (this.#renewal === undefined && this.#token !== refused) return this.#token
    this.#renewal ??= this.#next().finally(() => {
      this.#renewal = undefined
    })
    return this.#renewal
  }

  async #next(): Promise<string | undefined> {
    if (this.#refreshToken !== undefined) {
      try {
        return await this.#obtain({ grant_type: 'refresh_token', refresh_token: this.#refreshToken })
      } catch (error) {
        // invalid_grant (RFC 6749 §5.2): the session is over. Any other failure leaves that open, and the refresh token may be used again.
        if (!(error instanceof DocketError && (error.body as { error?: unknown } | undefined)?.error === 'invalid_grant')) throw error
      }
      this.#token = undefined
      this.#refreshToken = undefined
      if (this.#login === undefined) await this.#changed(this, undefined)
    }
    if (this.#login === undefined) return undefined
    const { username, password, scope } = this.#login
    return this.#obtain({ grant_type: 'password', username, password, ...(scope !== undefined && { scope }) })
  }

  async #obtain(request: TokenRequest): Promise<string> {
    const { access_token: token, refresh_token: refreshToken } = await this.#grant(request)
    this.#token = token
    this.#refreshToken = refreshToken
    await this.#changed(this, { token, refreshToken })
    return token
  }
}
