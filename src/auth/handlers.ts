import { sendMailToken } from '../account-mail/sending.ts'
import { recordEvent } from '../audit/events.ts'
import type { Context } from '../context.ts'
import type { HandlersOf } from '../contract/types.ts'
import { unauthenticated } from '../problem.ts'
import { refusingTaken } from '../users/taken.ts'
import { resendVerification, verifyEmail } from './email-verification.ts'
import type { Identity } from './identity.ts'
import { logIn } from './login.ts'
import { requestPasswordReset, resetPassword } from './password-reset.ts'
import { requireAcceptablePassword } from './password-rules.ts'
import { revokeSession } from './queries.ts'
import { insertUserWithInbox } from './registration.ts'
import { scopesOf } from './scopes.ts'
import { presentLogin } from './sessions.ts'
import { grantToken } from './token-grants.ts'

export const authHandlers = (context: Context, identity: Identity): HandlersOf<'auth'> => ({
  async register({ body: { email, username, password }, client }, respond) {
    requireAcceptablePassword(password, { username, email }, '/password')
    const passwordHash = await identity.passwords.hash(password)
    const login = await refusingTaken(
      context.db.transaction().execute(async (trx) => {
        const user = await insertUserWithInbox(trx, {
          email,
          username,
          passwordHash,
          role: 'user',
        })
        await recordEvent(trx, client, { action: 'user.registered', userId: user.id, actor: user })
        await sendMailToken(context, trx, user, 'verify_email', user.email)
        const login = await identity.sessions.start(trx, { ...user, password_hash: passwordHash }, scopesOf(user.role), client)
        if (login === undefined) throw new Error('A user whom nobody else can see yet has changed.')
        return login
      }),
    )
    return respond(201, presentLogin(login), {
      headers: { Location: '/api/v1/users/me' },
    })
  },

  async login({ body: { username, password }, client }, respond) {
    return respond(200, presentLogin(await logIn(context.db, identity, { login: username, password }, ({ role }) => scopesOf(role), client)))
  },

  async createToken({ body, client }, respond) {
    const { accessToken, expiresIn, refreshToken, scope } = await grantToken(context.db, identity, context.config.auth, body, client)
    return respond(200, {
      access_token: accessToken,
      token_type: 'bearer',
      expires_in: expiresIn,
      refresh_token: refreshToken,
      scope,
    })
  },

  async refresh({ body: { refreshToken }, client }, respond) {
    const login = await identity.sessions.refresh(context.db, refreshToken, client)
    if (login === undefined) throw unauthenticated('The refresh token is unknown, expired, used or revoked.')
    return respond(200, presentLogin(login))
  },

  async logout({ user, client }, respond) {
    await identity.sessions.ending(context.db, async (trx) => {
      if (!(await revokeSession(trx, user.id, user.sessionId))) return
      await recordEvent(trx, client, { action: 'session.revoked', userId: user.id, actor: user, objectId: user.sessionId })
    })
    return respond(204)
  },

  async requestPasswordReset({ body: { email }, client }, respond) {
    await requestPasswordReset(context, email, client)
    return respond(202)
  },

  async resetPassword({ body, client }, respond) {
    await resetPassword(context, identity, body, client)
    return respond(204)
  },

  async verifyEmail({ body: { token }, client }, respond) {
    await verifyEmail(context, identity, token, client)
    return respond(204)
  },

  async resendVerification({ user }, respond) {
    await resendVerification(context, user.id)
    return respond(202)
  },
})
