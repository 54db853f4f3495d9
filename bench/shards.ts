/**
 * How rows and requests spread over shards when each owner's are placed by the hash of the owner's id, and a few owners have very much.
 * Nothing is measured: it is computed, the same every time. Usage: npm run bench:shards
 */
const OWNERS = 1_000_000
const SEEDS = 20
const MOST_SHARDS = 64

/** Numbers from 0 to 2³² - 1, the same for the same seed (Marsaglia, xorshift32). */
function randomNumbers(seed: number): () => number {
  let state = (seed * 0x9e3779b1) >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

/**
 * PostgreSQL's hash of a UUID (hash_bytes in common/hashfn.c, by Bob Jenkins), by which Citus and PostgreSQL's own hash partitions place rows.
 * @param words the UUID as four numbers of 32 bits, each read as a little-endian machine reads its bytes
 */
export function hashUuid(first: number, second: number, third: number, fourth: number): number {
  const rotate = (value: number, bits: number) => (value << bits) | (value >>> (32 - bits))
  const start = (0x9e3779b9 + 16 + 3923095) | 0
  let [a, b, c] = [(start + first) | 0, (start + second) | 0, (start + third) | 0]
  a = ((a - c) ^ rotate(c, 4)) | 0
  c = (c + b) | 0
  b = ((b - a) ^ rotate(a, 6)) | 0
  a = (a + c) | 0
  c = ((c - b) ^ rotate(b, 8)) | 0
  b = (b + a) | 0
  a = ((a - c) ^ rotate(c, 16)) | 0
  c = (c + b) | 0
  b = ((b - a) ^ rotate(a, 19)) | 0
  a = (a + c) | 0
  c = ((c - b) ^ rotate(b, 4)) | 0
  b = (b + a) | 0
  a = (a + fourth) | 0
  c = ((c ^ b) - rotate(b, 14)) | 0
  a = ((a ^ c) - rotate(c, 11)) | 0
  b = ((b ^ a) - rotate(a, 25)) | 0
  c = ((c ^ b) - rotate(b, 16)) | 0
  a = ((a ^ c) - rotate(c, 4)) | 0
  b = ((b ^ a) - rotate(a, 14)) | 0
  c = ((c ^ b) - rotate(b, 24)) | 0
  return c
}

/** For each owner, the shard of MOST_SHARDS that the id falls into: each has an equal range of the hashes, from -2³¹ on. Ids are of version 7. */
export function placeOwners(owners: number, seed: number): Uint8Array {
  const random = randomNumbers(seed)
  const places = new Uint8Array(owners)
  const milliseconds = Date.UTC(2026, 0) + random() / 8
  for (let owner = 0; owner < owners; owner++) {
    const registered = milliseconds + owner * 1000
    const high = Math.floor(registered / 65536)
    const low = ((registered % 65536) * 65536 + (0x7000 | (random() & 0xfff))) >>> 0
    const hash = hashUuid(swapBytes(high), swapBytes(low), swapBytes((random() & 0x3fffffff) | 0x80000000), random())
    places[owner] = Math.floor(((hash + 2 ** 31) / 2 ** 32) * MOST_SHARDS)
  }
  return places
}

const swapBytes = (word: number) => ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)

/** Shares of all rows, the largest owner's first: the size of the n-th is in proportion to n^-s (Zipf), with the s that gives the first its share. */
export function zipfShares(owners: number, largest: number): Float64Array {
  let [low, high] = [0, 4]
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2
    if (1 / sumOf(powers(owners, middle)) < largest) low = middle
    else high = middle
  }
  return normalised(powers(owners, high))
}

const powers = (owners: number, exponent: number) => Float64Array.from({ length: owners }, (_, index) => (index + 1) ** -exponent)
const sumOf = (values: Iterable<number>) => {
  let sum = 0
  for (const value of values) sum += value
  return sum
}
const normalised = (values: Float64Array) => {
  const sum = sumOf(values)
  return values.map((value) => value / sum)
}

/** What falls into each of so many shards, a power of two up to MOST_SHARDS: twice as many halve every range. */
export function loadsOf(shards: number, places: Uint8Array, shares: Float64Array): Float64Array {
  const loads = new Float64Array(shards)
  const width = MOST_SHARDS / shards
  for (let owner = 0; owner < places.length; owner++) {
    const shard = Math.floor(Number(places[owner]) / width)
    loads[shard] = Number(loads[shard]) + Number(shares[owner])
  }
  return loads
}

/** Moves shards to nodes, the largest first, each to where there is least so far, as a rebalancer by size does. */
export function balance(nodes: number, loads: Float64Array): Float64Array {
  const onNode = new Float64Array(nodes)
  for (const load of loads.toSorted((a, b) => b - a)) {
    const emptiest = onNode.indexOf(Math.min(...onNode))
    onNode[emptiest] = Number(onNode[emptiest]) + load
  }
  return onNode
}

/** How much more than its equal part the fullest has. */
export const imbalanceOf = (loads: Float64Array) => (Math.max(...loads) * loads.length) / sumOf(loads)

const median = (values: number[]) => Number(values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)])
const spread = (values: number[]) => `${median(values).toFixed(2)} (${Math.max(...values).toFixed(2)})`
const row = (cells: (string | number)[]) => `| ${cells.join(' | ')} |`
const table = (head: string[], rows: (string | number)[][]) => [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n')

/** The tables, as Markdown. Fewer owners and seeds are enough to try it out. */
export function report(owners: number, seeds: number): string {
  const placements = Array.from({ length: seeds }, (_, seed) => placeOwners(owners, seed + 1))
  const rows = zipfShares(owners, 0.01)
  const requests = normalised(rows.map(Math.sqrt))
  const others = rows.map((share, owner) => (owner === 0 ? 0 : share))
  const over = (measure: (places: Uint8Array) => number) => spread(placements.map(measure))
  const bySize = [4, 8, 16, 32, 64].map((shards) => [
    shards,
    over((places) => imbalanceOf(loadsOf(shards, places, rows))),
    over((places) => imbalanceOf(loadsOf(shards, places, requests))),
    over((places) => imbalanceOf(loadsOf(shards, places, others))),
    shards === 64 ? '' : over((places) => Math.max(...loadsOf(shards * 2, places, rows)) / Math.max(...loadsOf(shards, places, rows))),
  ])
  const byGiant = [0.001, 0.01, 0.05, 0.1].map((largest) => {
    const shares = zipfShares(owners, largest)
    return [`${largest * 100} %`, ...[4, 16, 64].map((shards) => over((places) => imbalanceOf(loadsOf(shards, places, shares))))]
  })
  const byNodes = [4, 8, 16, 32].map((nodes) => [
    nodes,
    over((places) => imbalanceOf(loadsOf(nodes, places, rows))),
    over((places) => imbalanceOf(balance(nodes, loadsOf(MOST_SHARDS, places, rows)))),
  ])
  return [
    `${owners.toLocaleString('en')} owners, ${seeds} seeds. The fullest against the mean: median, and in brackets the worst.`,
    table(['shards', 'rows', 'requests', 'rows without the largest owner', 'fullest after doubling, against before'], bySize),
    table(['share of the largest owner', '4 shards', '16 shards', '64 shards'], byGiant),
    table(['nodes', 'rows, one range each', `rows, ${MOST_SHARDS} shards moved by size`], byNodes),
  ].join('\n\n')
}

if (import.meta.main) process.stdout.write(`${report(OWNERS, SEEDS)}\n`)
