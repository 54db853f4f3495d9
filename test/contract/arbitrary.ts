import fc from 'fast-check'
import { resolve, type Schema, SpecError } from '../../src/contract/spec.ts'
import { spec } from '../support/contract-check.ts'

/** How a value travels. Only JSON has types; all else is text, and each kind of text has something that it cannot hold. */
export type Medium = 'json' | 'form' | 'query' | 'path' | 'header'

/** One way to break a schema: values that are wrong in one place, and the JSON pointer to it. */
export type Breakage = Readonly<{ what: string; value: fc.Arbitrary<unknown>; pointer: string }>

/** A schema of one type, without references. */
type Variant = Schema & { type: string; minLength?: number; maxLength?: number; pattern?: string; format?: string; enum?: string[] }

/** What values are made by. The server refuses keywords that it does not enforce, and so does this: a property that tries less would stay green. */
const KEYWORDS: Readonly<Record<string, readonly string[]>> = {
  string: ['minLength', 'maxLength', 'pattern', 'format', 'enum'],
  integer: ['minimum', 'maximum'],
  boolean: [],
  null: [],
  array: ['items', 'minItems', 'maxItems', 'uniqueItems'],
  object: ['properties', 'required', 'additionalProperties', 'minProperties'],
}
const ANNOTATIONS = ['type', 'description', 'example', 'examples', 'default', 'x-trim', 'x-enum-varnames']

/** @throws SpecError on a type or a keyword that nothing here makes values by */
export function variantsOf(schema: Schema): Variant[] {
  const { $ref, anyOf, ...rest } = schema
  if ($ref !== undefined || anyOf !== undefined) {
    requireKnown(rest, ANNOTATIONS)
    const branches = anyOf ?? [resolve<Schema>(spec.document, schema)]
    return branches.flatMap((branch) => variantsOf({ ...branch, ...rest }))
  }
  const types = [schema.type ?? 'any'].flat()
  requireKnown(Object.fromEntries(types.map((type) => [type, true])), Object.keys(KEYWORDS))
  requireKnown(schema, [...ANNOTATIONS, ...types.flatMap((type) => KEYWORDS[type] ?? [])])
  return types.map((type) => ({ ...schema, type }))
}

function requireKnown(words: Record<string, unknown>, known: readonly string[]): void {
  const unknown = Object.keys(words).find((word) => !known.includes(word))
  if (unknown !== undefined) throw new SpecError(`No values are made by "${unknown}": teach test/contract/arbitrary.ts.`)
}

/** Code points, each of which something between a client and the database could stumble over. */
const UNITS = [
  ...['a', 'Z', '0', ' ', "'", '"', '\\', '%', '_', '-', '&', '+', '<', '/', '\n', '\t', '\u0001', '\u007f', '\u0085', '\u00a0', 'ß', 'İ'],
  ...['\u0301', 'א', '\u202e', '\u200d', '\ufeff', '\ufffd', '\uffff', '\u2028', '😀', '𝒳', '\u{1f1e9}', '\u{e0061}', '\u{10ffff}'],
]
const codePoint = fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).filter((unit) => unit !== '\0')
const anyUnit = fc.oneof(fc.constantFrom(...UNITS), codePoint)
const visibleUnit = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 1 })
const plainUnit = fc.stringMatching(/^[A-Za-z0-9_-]$/)
const SPACES = ['', ' ', '\t\n', '\u00a0\u3000', '\ufeff\u2028']

/** Headers hold no others, and a request's head has to fit into 16 KiB: there a long text is one that percent-encoding does not lengthen. */
const unitOf = (medium: Medium, longest = 0) => (medium === 'header' ? visibleUnit : medium === 'json' || longest < 1000 ? anyUnit : plainUnit)

/** Texts by their length in code points, often the least or the greatest; a few code points over and over, so that a long one shrinks fast as well. */
function textOf(unit: fc.Arbitrary<string>, min: number, max: number): fc.Arbitrary<string> {
  return fc
    .tuple(fc.array(unit, { minLength: 1, maxLength: 8 }), integersOf(min, max))
    .map(([units, length]) => Array.from({ length }, (_, index) => units[index % units.length]).join(''))
}
const integersOf = (min: number, max: number) => fc.oneof({ withCrossShrink: true }, fc.integer({ min, max }), fc.constantFrom(min, max))

const instants = (from: string, to: string) => fc.date({ min: new Date(from), max: new Date(to), noInvalidDate: true })
const date = fc.oneof(
  instants('0001-01-01T00:00:00Z', '9999-12-31T00:00:00Z').map((day) => day.toISOString().slice(0, 10)),
  fc.constantFrom('0001-01-01', '9999-12-31', '2024-02-29', '2000-02-29'),
)
const two = (value: number) => String(Math.trunc(Math.abs(value))).padStart(2, '0')
const dateTime = fc.oneof(
  // Two days away from the first and the last instant, so that any offset will do.
  fc
    .tuple(instants('0001-01-03T00:00:00Z', '9999-12-29T00:00:00Z'), fc.stringMatching(/^(\.[0-9]{1,32})?$/), fc.integer({ min: -1439, max: 1439 }))
    .map(([instant, fraction, offset]) => {
      const zone = offset === 0 ? 'Z' : `${offset < 0 ? '-' : '+'}${two(offset / 60)}:${two(offset % 60)}`
      return instant.toISOString().slice(0, 19) + fraction + zone
    }),
  fc.constantFrom(
    '0001-01-01T00:00:00Z',
    '9999-12-31T23:59:59.999Z',
    '0001-01-01T00:00:00-00:01',
    '9999-12-31T23:59:59+00:01',
    '2024-02-29t12:00:00z',
  ),
)
const longestDomain = `${`${'b'.repeat(63)}.`.repeat(2)}${'c'.repeat(61)}`
const email = fc.oneof(
  fc.emailAddress().filter((address) => address.length <= 254),
  textOf(fc.stringMatching(/^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]$/), 64, 64).map((local) => `${local}@${longestDomain}`),
)
/** To places on the internet: what leads elsewhere is refused by more than its form. */
const httpUrl = fc
  .tuple(fc.constantFrom('', '/', '/hook', '/%20?a=b#c', '/ü/😀'), fc.constantFrom('', ':443', ':8443'), fc.domain(), fc.boolean())
  .map(([path, port, domain, isLiteral]) => `https://${isLiteral ? '[2606:2800:21f:cb07:6820:80da:af6b:8b2c]' : domain}${port}${path}`)
const uuid = fc.oneof(
  fc.uuid(),
  fc.uuid().map((id) => id.toUpperCase()),
  fc.constant('00000000-0000-0000-0000-000000000000'),
)
const regions = [...Intl.supportedValuesOf('timeZone'), 'Etc/GMT+5', 'Etc/GMT-14', 'US/Eastern', 'Asia/Calcutta'].filter((zone) => zone.includes('/'))
const timeZone = fc.constantFrom(...regions, ...regions.map((zone) => zone.toLowerCase()), 'UTC', 'GMT')

const NO_DATES = [
  '',
  '2026-02-29',
  '1900-02-29',
  '2026-04-31',
  '2026-00-10',
  '2026-13-01',
  '2026-01-32',
  '0000-01-01',
  '2026-1-1',
  '20260101',
].concat(['2026-01-31Z', '12026-01-01', '2026-01-31\n', ' 2026-01-31', '٢٠٢٦-01-01', 'today', 'infinity'])
const NO_DATE_TIMES = ['', '2026-02-01 18:00:00Z', '2026-02-01T18:00:00', '2026-02-01T18:00Z', '2026-02-01T24:00:00Z', '2026-12-31T23:59:60Z'].concat(
  ['2026-02-01T18:00:00+24:00', '2026-02-01T18:00:00+0100', '2026-02-30T18:00:00Z', '0000-12-31T23:00:00Z', '0001-01-01T00:00:00+00:01'],
  ['9999-12-31T23:59:59-00:01', '2026-02-01T18:00:00.Z', `2026-02-01T18:00:00.${'9'.repeat(33)}Z`, '2026-02-01T18:00:00Z\n', 'now', '1769968800'],
)

/** Made without src/contract/formats.ts: what is tested must not decide what is a date. */
const FORMATS: Readonly<Record<string, { good: fc.Arbitrary<string>; bad: readonly string[] }>> = {
  uuid: {
    good: uuid,
    bad: ['x', '1', 'null', '01985bb26d0d7a60a1f24d7a1c9d2f10', '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f1', '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f1g'].concat(
      ['{01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10}', 'urn:uuid:01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10', '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10\n'],
      ["' or 1=1 --", '../lists', '%', '😀'],
    ),
  },
  date: { good: date, bad: [...NO_DATES, '2026-01-31T00:00:00Z'] },
  'date-time': { good: dateTime, bad: [...NO_DATE_TIMES, '2026-01-31'] },
  'date-or-date-time': { good: fc.oneof(date, dateTime), bad: [...NO_DATES, ...NO_DATE_TIMES] },
  'http-url': {
    good: httpUrl,
    bad: ['', 'example.com', 'https://', 'https:///x', 'https:example.com', 'ftp://example.com/', 'javascript:alert(1)', '//example.com/'].concat(
      ['https://ada@example.com/', 'https://ada:x@example.com/', 'https://exa mple.com/', 'https://example.com/\n', ' https://example.com/'],
      ['https://example.com\\@example.org/', 'https://example.com:99999/', 'https://[::1/', 'https://%zz/'],
    ),
  },
  email: {
    good: email,
    bad: ['', 'ada', 'ada@', '@example.com', 'ada@localhost', 'ada@@example.com', 'ada@example..com', '.ada@example.com', 'ada @example.com'].concat(
      ['ada@-a.com', '"ada"@example.com', 'ada@[127.0.0.1]', 'ada@example.com\n.', 'Ada <ada@example.com>', 'ä@example.com', 'ada@exämple.com'],
      [`${'a'.repeat(65)}@example.com`, `a@${'b'.repeat(64)}.example`, 'ada@example.com,grace@example.com'],
    ),
  },
  'iana-time-zone': {
    good: timeZone,
    bad: [
      '',
      '+01:00',
      'Z',
      'Mars/Phobos',
      'Europe/Berlin ',
      'Europe',
      'Europe/',
      'Berlin',
      'CEST',
      'local',
      'UTC+1',
      '__proto__',
      '../Europe/Berlin',
    ],
  },
}

/** Values that a schema allows. */
export function arbitraryOf(schema: Schema, medium: Medium): fc.Arbitrary<unknown> {
  return fc.oneof(...variantsOf(schema).map((variant) => valuesOf(variant, medium)))
}

function valuesOf(variant: Variant, medium: Medium): fc.Arbitrary<unknown> {
  switch (variant.type) {
    case 'string':
      return textsOf(variant, medium)
    case 'integer':
      return integersOf(...rangeOf(variant))
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'array': {
      const { minItems, maxItems } = itemsOf(variant)
      const short = listsOf(variant, medium, minItems)
      return fc.oneof({ withCrossShrink: true }, { weight: 3, arbitrary: short }, listsOf(variant, medium, maxItems))
    }
    default: {
      const { properties = {}, additionalProperties } = variant
      const values = Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, arbitraryOf(property, medium)]))
      const known = fc.record(values, { requiredKeys: requiredOf(variant), noNullPrototype: true })
      const others = typeof additionalProperties === 'object' ? arbitraryOf(additionalProperties, medium) : undefined
      const unknown = others === undefined ? fc.constant({}) : fc.dictionary(fc.stringMatching(/^[a-z]{5}$/), others, { maxKeys: 2 })
      return fc
        .tuple(unknown, known)
        .map(([unknown, known]) => ({ ...unknown, ...known }))
        .filter((value) => Object.keys(value).length >= Number(variant['minProperties'] ?? 0))
    }
  }
}

const rangeOf = ({ minimum = Number.MIN_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER }: Schema): [number, number] => [
  Number(minimum),
  Number(maximum),
]
const requiredOf = (variant: Variant) => (variant['required'] ?? []) as string[]
function itemsOf({ items = {}, minItems = 0, maxItems = 5, uniqueItems }: Schema) {
  const [{ enum: values } = {} as Variant] = variantsOf(items)
  // There cannot be more different items than there are values.
  const most = uniqueItems === true && values !== undefined ? Math.min(Number(maxItems), values.length) : Number(maxItems)
  return {
    items,
    minItems: Number(minItems),
    maxItems: most,
    unique: uniqueItems === true,
    exhausted: uniqueItems === true && most === values?.length,
  }
}

function listsOf(variant: Variant, medium: Medium, minLength: number): fc.Arbitrary<unknown[]> {
  const { items, maxItems, unique } = itemsOf(variant)
  const values = arbitraryOf(items, medium)
  const lengths = { minLength, maxLength: Math.max(minLength, maxItems) }
  return unique
    ? fc.uniqueArray(values, { ...lengths, selector: (value) => (typeof value === 'string' ? value.trim() : value) })
    : fc.array(values, lengths)
}

const isTrimmed = (variant: Variant) => variant['x-trim'] === true

function textsOf(variant: Variant, medium: Medium): fc.Arbitrary<string> {
  const { minLength = 0, maxLength = 1000, pattern = '', format = 'password' } = variant
  if (variant.enum !== undefined) return fc.constantFrom(...variant.enum)
  if (format !== 'password') requireKnown({ [format]: true }, Object.keys(FORMATS))
  // A form's parameter without a value counts as absent.
  const min = medium === 'form' ? Math.max(minLength, 1) : minLength
  const letters = /^\^(\[[^\]]+\])\+\$$/.exec(pattern)?.[1]
  const texts =
    FORMATS[format]?.good ??
    (letters === undefined && !isLoose(pattern)
      ? fc.stringMatching(new RegExp(pattern), { maxLength })
      : textOf(letters === undefined ? unitOf(medium, maxLength) : fc.stringMatching(new RegExp(`^${letters}$`)), min, maxLength))
  const matches = new RegExp(pattern, 'u')
  const valid = texts.filter((text) => [...text].length >= min && [...text].length <= maxLength && matches.test(text) && isSent(text, medium))
  if (!isTrimmed(variant)) return valid
  const spaces = fc.constantFrom(...SPACES)
  return fc
    .tuple(spaces, valid, spaces)
    .filter(([, text]) => text === text.trim())
    .map((parts) => parts.join(''))
}

/** Whether nearly every text matches. */
const isLoose = (pattern: string) => ['', '\\S'].includes(pattern)

/** Whether a text arrives as it is. */
function isSent(text: string, medium: Medium): boolean {
  if (medium === 'header') return /^[\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?$/.test(text)
  if (medium === 'path') return !['', '.', '..'].includes(text)
  return medium !== 'form' || text !== ''
}

/** Values of each JSON type, also such numbers as JavaScript does not have: they are sent as 1e400. */
const OF_TYPE: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  null: fc.constant(null),
  boolean: fc.boolean(),
  integer: fc.constantFrom(0, -0, 1, 1.5, 2 ** 53, -(2 ** 63), Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  string: fc.constantFrom('', 'text', '1', 'true', 'null', '[]', '{}'),
  array: fc.constantFrom([], [[]], ['text'], [null]),
  object: fc.constantFrom({}, { length: 0 }, { $ne: null }, { toString: 'text' }),
}
const NO_INTEGERS = ['0x10', '1e3', ' 5', '5 ', '+5', '05', '5.0', '1_0', '', 'NaN', '1e400', '٥', 'null', '9007199254740993', '99999999999999999999']
const NO_BOOLEANS = ['1', '0', 'TRUE', 'yes', 'on', '', 'null', 'true ', ' false']
const SURPRISES = ['surprise', '__proto__', 'constructor', 'toString', 'a/b~c', 'Title', '😀', 'ownerId']
const NO_NAMES = ['\0', 'a\0', '\ud800', '\udc00b', '\udc00\ud800']

/**
 * Every way to break a schema in one place, for each place.
 * @param valid values that the schema allows, to break
 */
export function* breakagesOf(schema: Schema, medium: Medium, valid = arbitraryOf(schema, medium)): Generator<Breakage> {
  const variants = variantsOf(schema)
  const types = variants.map(({ type }) => type)
  for (const [type, value] of Object.entries(OF_TYPE)) {
    if (medium === 'json' && !types.includes(type)) yield broken(`${types.join(' or ')} as ${type}`, value)
  }
  // What is no date-time may be a date, where either will do.
  const either = types.filter((type) => type === 'string').length > 1
  for (const variant of variants) {
    if (variant.type === 'string') yield* badTexts(variant, medium, either)
    if (variant.type === 'array') yield* badLists(variant, medium)
    if (variant.type === 'object') yield* badObjects(variant, medium, valid as fc.Arbitrary<Record<string, unknown>>)
    if (variant.type === 'boolean' && medium !== 'json') yield* NO_BOOLEANS.map((text) => broken(`boolean as ${JSON.stringify(text)}`, text))
    if (variant.type === 'integer') {
      const [min, max] = rangeOf(variant)
      for (const number of [min - 1, min - 1000, max + 1, max + 2 ** 31]) yield broken(`${number}`, number)
      for (const none of medium === 'json' ? [min + 0.5, Number.POSITIVE_INFINITY] : NO_INTEGERS)
        yield broken(`integer as ${JSON.stringify(none)}`, none)
    }
  }
}

const broken = (what: string, value: unknown, pointer = ''): Breakage => ({
  what,
  value: value instanceof fc.Arbitrary ? value : fc.constant(value),
  pointer,
})

function* badLists(variant: Variant, medium: Medium): Generator<Breakage> {
  const { items, minItems, maxItems, unique, exhausted } = itemsOf(variant)
  if (minItems > 0) yield broken(`fewer than ${minItems} items`, listsOf({ ...variant, minItems: 0, maxItems: minItems - 1 }, medium, 0))
  if (!exhausted) yield broken(`more than ${maxItems} items`, listsOf(variant, medium, maxItems + 1))
  const filled = listsOf({ ...variant, maxItems: maxItems - 1 }, medium, 1)
  const trims = variantsOf(items).some(isTrimmed)
  if (unique)
    yield broken(
      'an item twice',
      filled.map((list) => [...list, trims ? `${list[0]} ` : list[0]]),
    )
  for (const { what, value, pointer } of breakagesOf(items, medium)) {
    // A query is searched for NUL before it is known what is a list.
    yield broken(
      what,
      value.map((item) => [item]),
      medium === 'query' && what === WITH_NUL ? '' : `/0${pointer}`,
    )
  }
}

function* badObjects(variant: Variant, medium: Medium, objects: fc.Arbitrary<Record<string, unknown>>): Generator<Breakage> {
  const { properties = {}, additionalProperties, minProperties = 0 } = variant
  const having = (name: string, value: fc.Arbitrary<unknown>) => fc.tuple(objects, value).map(([object, value]) => ({ ...object, [name]: value }))
  const others = typeof additionalProperties === 'object' ? { surprise: additionalProperties } : {}
  for (const [name, property] of Object.entries({ ...others, ...properties })) {
    for (const { what, value, pointer } of breakagesOf(property, medium)) yield broken(`${name}: ${what}`, having(name, value), `/${name}${pointer}`)
    const isList = variantsOf(property).some(({ type }) => type === 'array')
    const twice = arbitraryOf(property, medium).map((value) => [value, value])
    if (medium === 'query' && !isList) yield broken(`${name} twice`, having(name, twice), `/${name}`)
  }
  for (const required of medium === 'path' ? [] : requiredOf(variant)) {
    yield broken(
      `without ${required}`,
      objects.map(({ [required]: _, ...rest }) => rest),
      `/${required}`,
    )
  }
  if (Number(minProperties) > 0) yield broken('without any field', {})
  if (additionalProperties !== false) return
  for (const name of SURPRISES.filter((name) => !Object.hasOwn(properties, name))) {
    yield broken(`the unknown field ${name}`, having(name, fc.constantFrom(1, 'text')), `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`)
  }
  // A name that cannot be said is not said: the pointer leads to the object.
  for (const name of medium === 'json' ? NO_NAMES : []) yield broken(`a field called ${JSON.stringify(name)}`, having(name, fc.constant(1)))
}

const WITH_NUL = 'with NUL'

function* badTexts(variant: Variant, medium: Medium, either: boolean): Generator<Breakage> {
  const { minLength = 0, maxLength, pattern, format = 'password' } = variant
  const valid = textsOf(variant, medium)
  const trimmed = (text: string) => (isTrimmed(variant) ? text.trim() : text)
  const texts = (min: number, max: number) => textOf(unitOf(medium, max), min, max).filter((text) => text === trimmed(text) && isSent(text, medium))
  const having = (...bad: string[]) =>
    fc.tuple(valid, fc.nat(), fc.constantFrom(...bad)).map(([text, at, bad]) => [...text].toSpliced(at % ([...text].length + 1), 0, bad).join(''))

  if (medium !== 'header') yield broken(WITH_NUL, having('\0'))
  if (medium === 'json') yield broken('with a high surrogate', having('\ud800', '\udbff'))
  if (medium === 'json') yield broken('with a low surrogate', having('\udc00', '\udfff'))
  if (variant.enum !== undefined) {
    const near = variant.enum.flatMap((value) => [value.toUpperCase(), `${value} `, value.slice(1), value + value])
    const none = [...near, 'surprise', 'null', '__proto__'].filter((text) => !variant.enum?.includes(text) && isSent(text, medium))
    return yield broken('no value of the enum', fc.constantFrom(...none))
  }
  if (minLength > 0 && isSent('', medium)) yield broken(`shorter than ${minLength}`, texts(0, minLength - 1))
  if (maxLength !== undefined) yield broken(`longer than ${maxLength}`, texts(maxLength + 1, maxLength + 1))
  if (pattern !== undefined) {
    const matches = new RegExp(pattern, 'u')
    const against = (texts: fc.Arbitrary<string>) => texts.filter((text) => !matches.test(trimmed(text)) && isSent(text, medium))
    if (medium !== 'header') yield broken('blank', against(fc.constantFrom(' ', '\t ', '\u3000')))
    if (!isLoose(pattern)) yield broken('against the pattern in one place', against(having('@', '/', ' ', 'é', '😀', '"')))
  }
  for (const text of FORMATS[format]?.bad ?? []) {
    if (isSent(text, medium) && !(either && /^\d{4}-\d\d-\d\d(T.*Z)?$/.test(text))) yield broken(`no ${format}: ${JSON.stringify(text)}`, text)
  }
}
