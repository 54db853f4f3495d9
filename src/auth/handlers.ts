import type { Context } from '../context.ts'
import type { HandlersOf } from '../contract/types.ts'
import { refusingTaken } from '../users/taken.ts'
import type { Identity } from './identity.ts'
import { requireUserByPassword } from './login.ts'
import { insertUserWithInbox } from './registration.ts'
import { scopesOf } from './scopes.ts'
import { presentLogin } from './sessions.ts'
import { grantToken } from './token-grants.ts'

export const authHandlers = ({ db }: Context, identity: Identity): HandlersOf<'auth'> => ({
  async register({ body: { email, username, password }, client }, respond) {
    const passwordHash = await identity.passwords.hash(password)
    const login = await refusingTaken(
      db.transaction().execute(async (trx) => {
        const user = await insertUserWithInbox(trx, {
          email,
          username,
          passwordHash,
          role: 'user',
        })
        return identity.sessions.start(trx, user, scopesOf(user.role), client)
      }),
    )
    return respond(201, presentLogin(login), {
      headers: { Location: '/api/v1/users/me' },
    })
  },

  async login({ body: { username, password }, client }, respond) {
    const user = await requireUserByPassword(db, identity, username, password, client.address)
    return respond(200, presentLogin(await identity.sessions.start(db, user, scopesOf(user.role), client)))
  },

  async createToken({ body, client }, respond) {
    const { accessToken, expiresIn, refreshToken, scope } = await grantToken(db, identity, body, client)
    return respond(200, {
      access_token: accessToken,
      token_type: 'bearer',
      expires_in: expiresIn,
      refresh_token: refreshToken,
      scope,
    })
  },

  async logout({ user }, respond) {
    await identity.sessions.end(db, user.id, user.sessionId)
    return respond(204)
  },
})
