import { recordEvent } from '../audit/events.ts'
import type { Identity } from '../auth/identity.ts'
import { requireOwnPassword, wrongPassword } from '../auth/login.ts'
import type { Context } from '../context.ts'
import type { HandlersOf } from '../contract/types.ts'
import { waitingBriefly } from '../database/locks.ts'
import { inTransaction } from '../database/transactions.ts'
import { createdAtOf, newId } from '../id.ts'
import { conflict, emailNotVerified, notFound, Problem } from '../problem.ts'
import { userGone } from '../users/gone.ts'
import { lockUser, lockUserOfPassword } from '../users/queries.ts'
import { presentApiToken, presentCreatedApiToken } from './presenter.ts'
import { countApiTokens, deleteApiToken, insertApiToken, listApiTokens } from './queries.ts'
import { newApiToken } from './token.ts'
import type { ApiTokens } from './tokens.ts'

const MOST_TOKENS = 100
const DAY_MILLISECONDS = 86_400_000

export const apiTokenHandlers = ({ db, reservedDb, cursors }: Context, identity: Identity, { lastUses }: ApiTokens): HandlersOf<'api-tokens'> => ({
  async listApiTokens({ query: { limit, cursor }, user }, respond) {
    const belongsTo = `api-tokens ${user.id}`
    const after = cursors.after(belongsTo, cursor)
    await lastUses.flush()
    const rows = await listApiTokens(db, user.id, after?.id, limit + 1)
    return respond(200, cursors.pageById(belongsTo, rows, limit, presentApiToken))
  },

  async createApiToken({ body: { name, scopes, expiresInDays, currentPassword }, user, client }, respond) {
    // A token must not get what its maker was not given: this session may be narrower than their role.
    const foreign = scopes.find((scope) => !user.scopes.has(scope))
    if (foreign !== undefined && user.withheldScopes.has(foreign)) throw emailNotVerified()
    if (foreign !== undefined) {
      await recordEvent(reservedDb, client, { action: 'access.denied', userId: user.id, actor: user })
      throw new Problem('FORBIDDEN', `You may not give the scope ${foreign}: this session does not have it.`)
    }
    const me = await requireOwnPassword({ db, reservedDb }, identity, user, currentPassword, client)

    const id = newId()
    const createdAt = createdAtOf(id)
    const { token, secretHash } = newApiToken(user.id, id)
    const row = await inTransaction(db, async (trx) => {
      if ((await waitingBriefly(trx, () => lockUser(trx, user.id))) === undefined) throw userGone()
      // A token that outlives the password must not be made with one that was replaced meanwhile.
      if (!(await lockUserOfPassword(trx, me.id, me.password_hash))) throw wrongPassword()
      if ((await countApiTokens(trx, user.id)) >= MOST_TOKENS) throw conflict(`There are ${MOST_TOKENS} API tokens already. Revoke one first.`)
      await recordEvent(trx, client, { action: 'api_token.created', userId: user.id, actor: user, objectId: id })
      return insertApiToken(trx, {
        user_id: user.id,
        id,
        name,
        secret_hash: secretHash,
        scopes: [...scopes],
        created_at: createdAt,
        expires_at: new Date(Date.parse(createdAt) + expiresInDays * DAY_MILLISECONDS).toISOString(),
      })
    })
    return respond(201, presentCreatedApiToken(row, token), { headers: { Location: `/api/v1/api-tokens/${id}` } })
  },

  async revokeApiToken({ params: { tokenId }, user, client }, respond) {
    await identity.sessions.ending(db, async (trx) => {
      if (!(await deleteApiToken(trx, user.id, tokenId))) throw notFound('API token')
      await recordEvent(trx, client, { action: 'api_token.revoked', userId: user.id, actor: user, objectId: tokenId })
    })
    return respond(204)
  },
})
