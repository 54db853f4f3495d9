import { isIP } from 'node:net'

/**
 * Whom an address stands for: an IPv4 address for itself, an IPv6 address for its network of 64 bits, since one customer has at least 2^64 of them.
 * An IPv4 address in IPv6 form (::ffff:192.0.2.1) is the IPv4 address. A port that a proxy adds (Azure's Application Gateway) does not matter, and what
 * it sends that is no address at all stands for itself.
 */
export function networkOf(sent: string): string {
  if (!sent.includes(':')) return sent.slice(0, 45)
  const [, bracketed, dotted] = WITH_PORT.exec(sent) ?? []
  if (dotted !== undefined) return dotted.slice(0, 45)
  const address = bracketed ?? sent
  const [plain = ''] = address.split('%')
  if (isIP(plain) !== 6) return address.slice(0, 45)
  const mixed = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(plain)
  const text = mixed === null ? plain : `${mixed[1]}${hex(mixed[2], mixed[3])}:${hex(mixed[4], mixed[5])}`
  const groups = groupsOf(text)
  const [high = 0, low = 0] = groups.slice(6)
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) return [high >> 8, high & 255, low >> 8, low & 255].join('.')
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`
}

const WITH_PORT = /^(?:\[([0-9a-f:.]+(?:%[^\]]*)?)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+)$/i

const hex = (high: string | undefined, low: string | undefined) => (Number(high) * 256 + Number(low)).toString(16)

/** The eight numbers of an IPv6 address (RFC 4291 §2.2). */
function groupsOf(text: string): number[] {
  const [before = [], after = []] = text.split('::').map((part) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))))
  return [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after]
}
