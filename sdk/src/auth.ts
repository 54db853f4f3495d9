import type { Answer, Call, CallOptions, CreateOptions } from './call.js'
import {
  createToken,
  login,
  logout,
  refresh,
  register,
  requestPasswordReset,
  resendVerification,
  resetPassword,
  verifyEmail,
} from './generated/sdk.gen.js'
import type {
  AuthResult,
  Credentials,
  EmailVerification,
  PasswordReset,
  PasswordResetRequest,
  RefreshRequest,
  Registration,
  TokenRequest,
  TokenResult,
} from './generated/types.gen.js'
import type { Tokens } from './session.js'
import type { Transport } from './transport.js'

export class Auth {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Registers somebody, whom this client belongs to from then on. */
  register(registration: Registration, options: CallOptions = {}): Call<Answer<AuthResult>> {
    const answer = this.#transport.send<Answer<AuthResult>>((wire) => register({ ...wire, body: registration }), options)
    return this.#transport.becoming(answer, tokensOf)
  }

  /** Logs somebody in, whom this client belongs to from then on. Only needed for a client that was created without a password. */
  login(credentials: Credentials, options: CallOptions = {}): Call<Answer<AuthResult>> {
    const answer = this.#transport.send<Answer<AuthResult>>((wire) => login({ ...wire, body: credentials }), options, { harmless: true })
    return this.#transport.becoming(answer, tokensOf)
  }

  /** Exchanges a refresh token from elsewhere for the next pair; this client goes on with its own, which it refreshes by itself. */
  refresh(request: RefreshRequest, options: CallOptions = {}): Call<Answer<AuthResult>> {
    return this.#transport.call((wire) => refresh({ ...wire, body: request }), options, { harmless: true })
  }

  /** Gets tokens for use elsewhere, for instance with fewer scopes; this client goes on with its own. */
  createToken(request: TokenRequest, options: CallOptions = {}): Call<Answer<TokenResult>> {
    return this.#transport.call((wire) => createToken({ ...wire, body: request }), options, { harmless: true })
  }

  /** Ends the session and forgets the tokens and the password: this client is nobody's from then on. */
  logout(options: CallOptions = {}): Call<Answer<void>> {
    const answer = this.#transport.send<Answer<void>>((wire) => logout(wire), options)
    return this.#transport.becoming(answer, () => undefined)
  }

  /** Has a password reset mailed to this address, if it is somebody's. */
  requestPasswordReset(request: PasswordResetRequest, options: CallOptions = {}): Call<Answer<void>> {
    return this.#transport.call((wire) => requestPasswordReset({ ...wire, body: request }), options, { harmless: true })
  }

  /** Sets a new password with the token from such a mail, and ends all sessions of that user. */
  resetPassword(reset: PasswordReset, options: CallOptions = {}): Call<Answer<void>> {
    return this.#transport.call((wire) => resetPassword({ ...wire, body: reset }), options)
  }

  /** Verifies an address with the token that was mailed to it. */
  verifyEmail(verification: EmailVerification, options: CallOptions = {}): Call<Answer<void>> {
    return this.#transport.call((wire) => verifyEmail({ ...wire, body: verification }), options)
  }

  /** Has the token for your address mailed once more. */
  resendVerification(options: CreateOptions = {}): Call<Answer<void>> {
    return this.#transport.call((wire) => resendVerification(wire), options, { keyed: true })
  }
}

const tokensOf = ({ accessToken, refreshToken }: AuthResult): Tokens => ({ token: accessToken, refreshToken })
