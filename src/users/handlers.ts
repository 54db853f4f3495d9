import { recordEvent } from '../audit/events.ts'
import type { Context } from '../context.ts'
import type { HandlersOf } from '../contract/types.ts'
import { waitingBriefly } from '../database/locks.ts'
import { userGone } from './gone.ts'
import { presentUser } from './presenter.ts'
import * as users from './queries.ts'
import { refusingTaken } from './taken.ts'

export const userHandlers = ({ db, reservedDb, patientDb }: Context): HandlersOf<'users'> => ({
  async getMe({ user }, respond) {
    const me = await users.findUser(reservedDb, user.id)
    if (me === undefined) throw userGone()
    return respond(200, presentUser(me))
  },

  async updateMe({ body, user, client }, respond) {
    // A new time zone moves all their all-day tasks: 9 seconds for 100,000 of them.
    const database = body.timeZone === undefined ? db : patientDb
    const me = await refusingTaken(
      database.transaction().execute(async (trx) => {
        if ((await waitingBriefly(trx, () => users.lockUser(trx, user.id))) === undefined) throw userGone()
        const updated = await users.updateUser(trx, user.id, {
          ...(body.username !== undefined && { username: body.username }),
          ...(body.timeZone !== undefined && { time_zone: body.timeZone }),
          updated_at: new Date().toISOString(),
        })
        if (updated === undefined) throw userGone()
        await recordEvent(trx, client, { action: 'user.updated', userId: user.id, actor: user, changedFields: Object.keys(body) })
        return updated
      }),
    )
    return respond(200, presentUser(me))
  },
})
