/**
 * The formats of openapi.yaml, stricter than the usual ones: those take `urn:uuid:` for a UUID, a space for the `T` of a date-time, and months
 * of 31 days throughout. Each refuses what PostgreSQL would refuse.
 */
export const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  uuid: (text) => /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text),
  date: isDate,
  'date-time': isDateTime,
  'date-or-date-time': (text) => isDate(text) || isDateTime(text),
  email: (text) => EMAIL.test(text),
  'http-url': isHttpUrl,
  'iana-time-zone': isTimeZone,
  /** Tells pages and generators to hide it; allows everything. */
  password: () => true,
}

/** RFC 5321 §4.1.2: a dot-string of ASCII at a host name of two labels or more. */
const EMAIL =
  /^(?=.{1,64}@)[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i

/** An absolute URL of http or https in which nobody logs in. What the parser of URLs would mend, such as spaces or a missing slash, is none. */
function isHttpUrl(text: string): boolean {
  if (!/^https?:\/\/[^\s\p{Cc}\\/][^\s\p{Cc}\\]*$/u.test(text) || !URL.canParse(text)) return false
  const { username, password } = new URL(text)
  return username === '' && password === ''
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** RFC 3339 full-date in the years 0001 to 9999: PostgreSQL has no year 0. */
function isDate(text: string): boolean {
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text)?.map(Number) ?? []
  if (year === undefined || month === undefined || day === undefined || year === 0) return false
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return day >= 1 && day <= (DAYS[month - 1] ?? 0) + Number(leap)
}

/** RFC 3339 date-time, without leap seconds, whose instant lies in the years 0001 to 9999 in UTC. */
function isDateTime(text: string): boolean {
  const match = /^(\d{4}-\d\d-\d\d)t([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,32})?(z|[+-]([01]\d|2[0-3]):[0-5]\d)$/i.exec(text)
  if (match?.[1] === undefined || !isDate(match[1])) return false
  const year = new Date(text.toUpperCase()).getUTCFullYear()
  return year >= 1 && year <= 9999
}

/**
 * `Europe/Berlin`, `Etc/GMT+5`, UTC or GMT. Of the short names, ICU and PostgreSQL understand some differently (IST, CST) or without summer time (CET).
 */
const ZONE_NAME = /^(UTC|GMT|[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z][A-Za-z0-9_+-]*)+)$/

const knownTimeZones = new Map<string, boolean>()

/** A name that the time zone database of this runtime has; offsets such as `+01:00` are none. */
function isTimeZone(text: string): boolean {
  const known = knownTimeZones.get(text)
  if (known !== undefined) return known
  if (!ZONE_NAME.test(text)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: text })
  } catch {
    return false
  }
  // There are some 600 names, but any case of their letters is accepted.
  if (knownTimeZones.size < 1000) knownTimeZones.set(text, true)
  return true
}
