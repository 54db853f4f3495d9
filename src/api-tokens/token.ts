import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { API_TOKEN_PREFIX } from '../auth/identity.ts'

/**
 * The form of an API token, `dkt_` and 92 letters and digits: the ids of the user and of the token (32 bytes), the secret (32 random bytes) and a
 * CRC-32 of all before it, each as a number in base 62. So a program that looks for leaked secrets knows one by its form, and a typo costs no query.
 */
export type ApiTokenContent = Readonly<{ userId: string; tokenId: string; secretHash: Buffer }>

const BYTES = 32
const BYTES_LENGTH = 43
const CHECKSUM_LENGTH = 6
const FORM = new RegExp(`^${API_TOKEN_PREFIX}([0-9A-Za-z]{${BYTES_LENGTH}})([0-9A-Za-z]{${BYTES_LENGTH}})([0-9A-Za-z]{${CHECKSUM_LENGTH}})$`)

export function newApiToken(userId: string, tokenId: string): { token: string; secretHash: Buffer } {
  const ids = Buffer.from((userId + tokenId).replaceAll('-', ''), 'hex')
  const secret = encode(randomBytes(BYTES))
  const text = API_TOKEN_PREFIX + encode(ids) + secret
  return { token: text + checksumOf(text), secretHash: hashOf(secret) }
}

/** Undefined for what has another form, or a checksum that is not its own. */
export function readApiToken(token: string): ApiTokenContent | undefined {
  const [, ids, secret, checksum] = FORM.exec(token) ?? []
  if (ids === undefined || secret === undefined || checksumOf(token.slice(0, -CHECKSUM_LENGTH)) !== checksum) return undefined
  const hex = decode(ids)
  return hex === undefined ? undefined : { userId: uuid(hex.slice(0, BYTES)), tokenId: uuid(hex.slice(BYTES)), secretHash: hashOf(secret) }
}

/** The secret is random through and through, so one round is as good as many. */
const hashOf = (secret: string) => createHash('sha256').update(secret).digest()

const checksumOf = (text: string) => base62(BigInt(crc32(text)), CHECKSUM_LENGTH)
const encode = (bytes: Buffer) => base62(BigInt(`0x${bytes.toString('hex')}`), BYTES_LENGTH)

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

function base62(number: bigint, length: number): string {
  let text = ''
  for (let rest = number; text.length < length; rest /= 62n) text = DIGITS.charAt(Number(rest % 62n)) + text
  return text
}

/** As hexadecimal digits; undefined for a number that is too large. */
function decode(text: string): string | undefined {
  let number = 0n
  for (const digit of text) number = number * 62n + BigInt(DIGITS.indexOf(digit))
  const hex = number.toString(16).padStart(2 * BYTES, '0')
  return hex.length === 2 * BYTES ? hex : undefined
}

const uuid = (hex: string) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
