import { randomUUIDv7 } from 'node:crypto'

let last = ''

/**
 * A UUID of version 7 (RFC 9562) that is greater than every one before it from this process, also within a millisecond and when the clock is set
 * back (§6.2, monotonic random): the order of ids is the order of creation.
 */
export function newId(): string {
  const id = randomUUIDv7()
  last = id > last ? id : successor(last)
  return last
}

/** The last 48 bits are random: they hardly ever are all ones. */
function successor(id: string): string {
  const tail = Number.parseInt(id.slice(24), 16) + 1
  return tail >= 2 ** 48 ? randomUUIDv7() : id.slice(0, 24) + tail.toString(16).padStart(12, '0')
}

/** What no id that was made at this instant, RFC 3339, or later comes before. Before 1970 there are none. */
export function firstIdOf(instant: string): string {
  const hex = Math.max(0, Math.min(Date.parse(instant), 2 ** 48 - 1))
    .toString(16)
    .padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`
}

/** The millisecond in which an id was made, RFC 3339: the creation time of what it names. */
export function createdAtOf(id: string): string {
  return new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)).toISOString()
}
