import type { Context } from '../context.ts'
import type { HandlersOf } from '../contract/types.ts'
import type { Database } from '../database/database.ts'
import { invalid, invalidCursor, type Problem } from '../problem.ts'
import { decodePosition, encodePosition, type FeedPosition, requireKnown } from './position.ts'
import { presentChange } from './presenter.ts'
import { findLatestChanges, listChanges } from './queries.ts'
import type { ChangeStreams } from './streams.ts'

export function changeHandlers({ db, cursors }: Context, streams: ChangeStreams): HandlersOf<'changes'> {
  const positionOf = (ownerId: string, cursor: string | undefined, refusal: () => Problem): FeedPosition | undefined => {
    const position = cursor === undefined ? undefined : decodePosition(cursors, ownerId, cursor)
    if (cursor !== undefined && position === undefined) throw refusal()
    return position
  }
  return {
    async listChanges({ query: { limit, cursor }, user }, respond) {
      const position = positionOf(user.id, cursor, invalidCursor)
      const { horizon, changes } = await listChanges(db, user.id, position?.sequence ?? 0, limit + 1)
      if (position !== undefined) requireKnown(position, horizon)
      const items = changes.slice(0, limit)
      const sequence = items.at(-1)?.sequence ?? position?.sequence ?? 0
      return respond(200, {
        items: items.map(presentChange),
        nextCursor: encodePosition(cursors, user.id, { sequence, horizon }),
        hasMore: changes.length > limit,
      })
    },

    async streamEvents({ query: { cursor }, lastEventId, user }, respond) {
      const given = positionOf(user.id, lastEventId, invalidEventId) ?? positionOf(user.id, cursor, invalidCursor)
      if (given !== undefined) requireKnown(given, (await listChanges(db, user.id, given.sequence, 1)).horizon)
      return respond(200, await streams.open(user, given ?? (await latestPosition(db, user.id))))
    },
  }
}

/** Nothing that is there by now is behind the horizon for whoever begins here. */
async function latestPosition(db: Database, ownerId: string): Promise<FeedPosition> {
  const latest = await findLatestChanges(db, [ownerId])
  return { sequence: latest.get(ownerId) ?? 0, horizon: 0 }
}

const invalidEventId = () =>
  invalid([{ in: 'header', path: '/last-event-id', code: 'cursor', message: 'is not the id of an event of this stream' }], 'MALFORMED_REQUEST')
