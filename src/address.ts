import { isIP } from 'node:net'

/**
 * Whom an address stands for: an IPv4 address for itself, an IPv6 address for its network of 64 bits, since one customer has at least 2^64 of them.
 * An IPv4 address in IPv6 form (::ffff:192.0.2.1) is the IPv4 address. What a proxy sends that is no address at all stands for itself.
 */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address.slice(0, 45)
  const [plain = ''] = address.split('%')
  if (isIP(plain) !== 6) return address.slice(0, 45)
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(plain)
  const text = dotted === null ? plain : `${dotted[1]}${hex(dotted[2], dotted[3])}:${hex(dotted[4], dotted[5])}`
  const groups = groupsOf(text)
  const [high = 0, low = 0] = groups.slice(6)
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) return [high >> 8, high & 255, low >> 8, low & 255].join('.')
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`
}

const hex = (high: string | undefined, low: string | undefined) => (Number(high) * 256 + Number(low)).toString(16)

/** The eight numbers of an IPv6 address (RFC 4291 §2.2). */
function groupsOf(text: string): number[] {
  const [before = [], after = []] = text.split('::').map((part) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))))
  return [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after]
}
