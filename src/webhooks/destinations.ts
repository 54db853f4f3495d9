import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** The addresses of a host name; none when it has none, or nobody answers. */
export type Resolve = (name: string, signal: AbortSignal) => Promise<readonly string[]>

const PORTS = ['', '8443']
/** All that is global unicast (RFC 4291 §2.4): what is outside of it is none, whatever it is used for one day. */
const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3')

/**
 * Where webhooks may lead: to the internet by https on port 443 or 8443, and, by http and to any port as well, into the networks that the operator has
 * allowed. Everything else would let whoever creates a webhook reach what only this server can (server-side request forgery).
 */
export class Destinations {
  readonly #allowed: readonly ReturnType<typeof ipaddr.parseCIDR>[]
  readonly #resolve: Resolve

  /** @param allowedNetworks addresses or CIDR ranges */
  constructor(allowedNetworks: readonly string[], resolve: Resolve = resolveName) {
    this.#allowed = allowedNetworks.map((network) => (network.includes('/') ? ipaddr.parseCIDR(network) : hostRangeOf(network)))
    this.#resolve = resolve
  }

  /**
   * Why no webhook may ever lead there, or undefined. A name is not resolved here: it may lead elsewhere when it is called, and the answer would tell
   * which names there are.
   */
  faultOf(url: URL): string | undefined {
    const literals = literalsOf(url)
    if (literals === undefined ? this.#allowed.length > 0 : literals.some((address) => this.#isAllowed(address))) return undefined
    if (url.protocol !== 'https:') return 'must begin with https://'
    if (!PORTS.includes(url.port)) return 'must have the port 443 or 8443'
    return literals?.every(isPublic) === false ? 'must not lead to a private, local or reserved address' : undefined
  }

  /**
   * The addresses to connect to, and to no others: a second look at the name could give another answer.
   * @returns undefined if there is none, or if any of them is not allowed; which of the two is not to be told
   */
  async addressesOf(url: URL, signal: AbortSignal): Promise<readonly string[] | undefined> {
    const usual = url.protocol === 'https:' && PORTS.includes(url.port)
    const isGood = (address: string) => this.#isAllowed(address) || (usual && isPublic(address))
    const literals = literalsOf(url)?.filter(isGood)
    const addresses = literals ?? (await this.#resolve(url.hostname, signal))
    return addresses.length > 0 && addresses.every(isGood) ? addresses : undefined
  }

  #isAllowed(text: string): boolean {
    const address = ipaddr.process(text)
    return this.#allowed.some(([network, bits]) => network.kind() === address.kind() && address.match([network, bits] as never))
  }
}

const hostRangeOf = (text: string) => {
  const address = ipaddr.process(text)
  return ipaddr.parseCIDR(`${address}/${address.kind() === 'ipv4' ? 32 : 128}`)
}

/** The addresses of a URL without a name. What looks like another way to write one, such as 0x7f.1, the parser of URLs has already made into the usual. */
function literalsOf({ hostname }: URL): readonly string[] | undefined {
  const host = hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0) return [host]
  // RFC 6761 §6.3: never a question for a name server.
  return /^(.+\.)?localhost\.?$/.test(host) ? ['127.0.0.1', '::1'] : undefined
}

/** Whether anybody on the internet can reach it: that includes no address that hides another one, as those of NAT64 and 6to4 do. */
function isPublic(text: string): boolean {
  const address = ipaddr.process(text)
  if (address.range() !== 'unicast') return false
  return address.kind() === 'ipv4' || (address as ipaddr.IPv6).match(GLOBAL_UNICAST as [ipaddr.IPv6, number])
}

/** By name servers alone, and not by getaddrinfo: that holds one of the few threads that hash passwords for as long as a name server likes. */
const resolveName: Resolve = async (name, signal) => {
  const resolver = new Resolver({ timeout: 1000, tries: 2 })
  signal.addEventListener('abort', () => resolver.cancel(), { once: true })
  const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
}
