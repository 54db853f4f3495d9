import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { KeyRing } from '../keys.ts'
import { invalidCursor } from '../problem.ts'

/** Where a page ended: the sort key of its last row and its id. The key is null where the order is that of the ids alone. */
export type Position = Readonly<{ key: string | null; id: string }>

/** A page as every listing answers it. */
export type Page<Item> = { items: Item[]; nextCursor: string | null }

const SIGNATURE_BYTES = 16

/** Makes and reads cursors: a position, signed together with what it belongs to (operation, owner, order), so that it works for nothing else. */
export class Cursors {
  // As a Buffer it would be made into one of these each time, for 9 µs.
  readonly #keys: readonly KeyObject[]

  constructor(keys: KeyRing) {
    this.#keys = keys.map(({ bytes }) => createSecretKey(bytes))
  }

  encode(belongsTo: string, { key, id }: Position): string {
    const position = Buffer.from(JSON.stringify([key, id]))
    const [current] = this.#keys as [KeyObject]
    return Buffer.concat([signatureOf(belongsTo, position, current), position]).toString('base64url')
  }

  /** The position, or undefined for a cursor that was not made here for `belongsTo`. */
  decode(belongsTo: string, cursor: string): Position | undefined {
    const bytes = Buffer.from(cursor, 'base64url')
    if (bytes.length <= SIGNATURE_BYTES || bytes.toString('base64url') !== cursor) return undefined
    const position = bytes.subarray(SIGNATURE_BYTES)
    const signature = bytes.subarray(0, SIGNATURE_BYTES)
    if (!this.#keys.some((key) => timingSafeEqual(signature, signatureOf(belongsTo, position, key)))) return undefined
    const [key, id] = JSON.parse(position.toString()) as [string | null, string]
    return { key, id }
  }

  /**
   * The position behind the cursor of a request, which need not have one.
   * @throws Problem 422 for a cursor that was not made here for `belongsTo`
   */
  after(belongsTo: string, cursor: string | undefined): Position | undefined {
    const after = cursor === undefined ? undefined : this.decode(belongsTo, cursor)
    if (cursor !== undefined && after === undefined) throw invalidCursor()
    return after
  }

  /** A page in the order of ids. */
  pageById<Row extends Readonly<{ id: string }>, Item>(belongsTo: string, rows: Row[], limit: number, present: (row: Row) => Item): Page<Item> {
    return pageOf(rows, limit, present, ({ id }) => this.encode(belongsTo, { key: null, id }))
  }
}

function signatureOf(belongsTo: string, position: Buffer, key: KeyObject): Buffer {
  return createHmac('sha256', key).update(`${belongsTo}\n`).update(position).digest().subarray(0, SIGNATURE_BYTES)
}

/**
 * Cuts a page out of rows that were asked for with one more than the page holds: the extra one only tells that there is more.
 * @param present makes an item of a row
 * @param cursorAfter makes the cursor after a row
 */
export function pageOf<Row, Item>(rows: Row[], limit: number, present: (row: Row) => Item, cursorAfter: (row: Row) => string): Page<Item> {
  const more = rows.length > limit
  if (more) rows.length = limit
  const last = rows.at(-1)
  return {
    items: rows.map(present),
    nextCursor: more && last !== undefined ? cursorAfter(last) : null,
  }
}
