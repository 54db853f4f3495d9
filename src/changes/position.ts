import type { Cursors } from '../database/pagination.ts'
import { cursorExpired } from '../problem.ts'
import type { Horizon } from './queries.ts'

/** Where a reader of the owner's changes is: behind the change of this number, and the horizon when they were there. */
export type FeedPosition = Readonly<{ sequence: number; horizon: Horizon }>

const belongsTo = (ownerId: string) => `changes ${ownerId}`

export function encodePosition(cursors: Cursors, ownerId: string, { sequence, horizon }: FeedPosition): string {
  return cursors.encode(belongsTo(ownerId), { key: String(horizon), id: String(sequence) })
}

/** The position behind a cursor, or undefined for one that is not of the owner's changes. */
export function decodePosition(cursors: Cursors, ownerId: string, cursor: string): FeedPosition | undefined {
  const position = cursors.decode(belongsTo(ownerId), cursor)
  return position && { sequence: Number(position.id), horizon: Number(position.key) }
}

/**
 * Whoever is behind the horizon may have missed deletions, unless they have read from the beginning and nothing was forgotten since.
 * @param horizon of now
 * @throws Problem 410
 */
export function requireKnown(position: FeedPosition, horizon: Horizon): void {
  if (position.sequence < horizon && position.horizon !== horizon) throw cursorExpired()
}
