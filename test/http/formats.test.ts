import fc from 'fast-check'
import t from 'tap'
import { FORMATS } from '../../src/contract/formats.ts'

const accepts = (format: string, text: string) => FORMATS[format]?.(text)

const TABLE: Readonly<Record<string, { good: readonly string[]; bad: readonly string[] }>> = {
  uuid: {
    good: ['01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10', '01985BB2-6D0D-7A60-A1F2-4D7A1C9D2F10', '00000000-0000-0000-0000-000000000000'],
    bad: [
      '',
      '01985bb26d0d7a60a1f24d7a1c9d2f10',
      'urn:uuid:01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10',
      '{01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10}',
      '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f1',
      '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f100',
      '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f1g',
      '01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10\n',
      ' 01985bb2-6d0d-7a60-a1f2-4d7a1c9d2f10',
      '0198-5bb26d0d-7a60-a1f2-4d7a1c9d2f10',
    ],
  },
  date: {
    good: ['2026-02-01', '0001-01-01', '9999-12-31', '2024-02-29', '2000-02-29', '2026-04-30', '2026-12-31'],
    bad: ['', '2026-02-29', '1900-02-29', '2100-02-29', '2026-04-31', '2026-00-10', '2026-13-01', '2026-01-00', '2026-01-32', '0000-01-01'].concat(
      ['2026-1-1', '20260101', '2026-01-01Z', '2026-01-01T00:00:00Z', '12026-01-01', '-2026-01-01', '+02026-01-01', '2026-01-01\n', ' 2026-01-01'],
      ['٢٠٢٦-01-01', '2026/01/01', '01-01-2026', 'today', 'infinity', 'epoch'],
    ),
  },
  'date-time': {
    good: [
      '2026-02-01T18:00:00Z',
      '2026-02-01t18:00:00z',
      '2026-02-01T18:00:00.1Z',
      '2026-02-01T18:00:00.123456789Z',
      '2026-02-01T18:00:00+00:00',
    ].concat(
      ['2026-02-01T18:00:00-00:00', '2026-02-01T18:00:00+23:59', '2026-02-01T18:00:00-12:00', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z'],
      ['0001-01-01T00:00:00-00:01', '9999-12-31T23:59:59+00:01', `2026-02-01T18:00:00.${'9'.repeat(32)}Z`, '2024-02-29T00:00:00Z'],
    ),
    bad: [
      '',
      '2026-02-01',
      '2026-02-01 18:00:00Z',
      '2026-02-01T18:00:00',
      '2026-02-01T18:00Z',
      '2026-02-01T24:00:00Z',
      '2026-02-01T18:60:00Z',
    ].concat(
      ['2026-12-31T23:59:60Z', '2026-02-01T18:00:00+24:00', '2026-02-01T18:00:00+01:60', '2026-02-01T18:00:00+0100', '2026-02-01T18:00:00+01'],
      ['2026-02-30T18:00:00Z', '0000-12-31T23:00:00Z', '0001-01-01T00:00:00+00:01', '9999-12-31T23:59:59-00:01', '2026-02-01T18:00:00.Z'],
      [`2026-02-01T18:00:00.${'9'.repeat(33)}Z`, '2026-02-01T18:00:00Z\n', '2026-02-01T18:00:00,5Z', '2026-02-01T18:00:00 Z', 'now', 'infinity'],
      ['2026-02-01T18:00:00Europe/Berlin', '+002026-02-01T18:00:00Z', '1769968800'],
    ),
  },
  'date-or-date-time': {
    good: ['2026-02-01', '0001-01-01', '2026-02-01T18:00:00Z', '2026-02-01t18:00:00.5+01:00', '9999-12-31T23:59:59.999Z'],
    bad: ['', '2026-02-30', '2026-02-30T18:00:00Z', '2026-02-01T18:00:00', '2026-02-01 18:00:00Z', '2026-02-01Z', '2026-02-01T', 'today'],
  },
  email: {
    good: [
      'ada@example.com',
      'ADA@EXAMPLE.COM',
      'a@b.co',
      'ada.lovelace+docket@mail.example.co.uk',
      "o'hara@example.ie",
      'a_b-c@xn--bcher-kva.example',
    ].concat([`${'a'.repeat(64)}@example.com`, `a@${'b'.repeat(63)}.example`, '1@2.3d', '{a}@example.com']),
    bad: [
      '',
      'ada',
      'ada@',
      '@example.com',
      'ada@localhost',
      'ada@example',
      'ada@@example.com',
      'a@b@example.com',
      'ada@example..com',
      'ada@.com',
    ].concat(
      [
        '.ada@example.com',
        'ada.@example.com',
        'a..b@example.com',
        'ada @example.com',
        'ada@exa mple.com',
        'ada@example.com.',
        'ada@-a.com',
        'ada@a-.com',
      ],
      ['"ada"@example.com', 'ada@[127.0.0.1]', 'ada@example.com\n', 'Ada <ada@example.com>', 'ä@example.com', 'ada@exämple.com', 'a\0@example.com'],
      [`${'a'.repeat(65)}@example.com`, `a@${'b'.repeat(64)}.example`, 'ada@example.com,grace@example.com', 'mailto:ada@example.com'],
    ),
  },
  'http-url': {
    good: ['https://example.com', 'http://example.com:8080/a?b=c#d', 'https://[::1]/', 'https://bücher.example/ä'],
    bad: ['', 'example.com', '//example.com', 'https:example.com', 'https:/example.com', 'https:///example.com', 'ftp://example.com'].concat(
      ['javascript:alert(1)', 'https://ada@example.com', 'https://ada:secret@example.com', 'https://exa mple.com', 'https://example.com\\@a'],
      ['https://example.com\n', ' https://example.com', 'https://', 'https://example.com:99999', 'https://example.com\0'],
    ),
  },
  'iana-time-zone': {
    good: [
      'Europe/Berlin',
      'America/Argentina/Buenos_Aires',
      'UTC',
      'Etc/GMT+5',
      'Asia/Kolkata',
      'Asia/Calcutta',
      'europe/berlin',
      'GMT',
      'America/Port-au-Prince',
    ],
    bad: [
      '',
      '+01:00',
      '-05',
      'Z',
      'Mars/Phobos',
      'Europe/Berlin ',
      ' Europe/Berlin',
      'Europe',
      'Europe/',
      '/Berlin',
      'Berlin',
      'CEST',
      'local',
      'UTC+1',
    ].concat(['__proto__', 'constructor', '../Europe/Berlin', 'Europe/Berlin\n', 'Europe\\Berlin', 'a'.repeat(65), '1']),
  },
  password: { good: ['', 'correct horse', '\u{1f600}'], bad: [] },
}

t.test('formats', async (t) => {
  t.test('there is a table for every format', async (t) => {
    t.same(Object.keys(TABLE).toSorted(), Object.keys(FORMATS).toSorted())
  })

  for (const [format, { good, bad }] of Object.entries(TABLE)) {
    t.test(`${format}: takes what is one, and nothing else`, async (t) => {
      for (const text of good) t.equal(accepts(format, text), true, JSON.stringify(text))
      // Twice: what is remembered must be what was found.
      for (const text of [...bad, ...bad]) t.equal(accepts(format, text), false, JSON.stringify(text))
    })
  }

  t.test('uuid: takes every UUID, and none with something before, after or inside', async (t) => {
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(fc.uuid(), fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }), fc.nat(36), (uuid, text, at) => {
          return accepts('uuid', uuid) === true && accepts('uuid', uuid.slice(0, at) + text + uuid.slice(at)) === false
        }),
      ),
    )
  })

  const digits = (value: number, length: number) => String(value).padStart(length, '0')
  const date = fc.tuple(fc.nat(9999), fc.nat(14), fc.nat(33)).map(([year, month, day]) => `${digits(year, 4)}-${digits(month, 2)}-${digits(day, 2)}`)
  /** Date rolls over what does not exist, so it exists if it comes back as it went in. */
  const exists = (day: string) => {
    const midnight = new Date(`${day}T00:00:00.000Z`)
    return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(`${day}T`) && !day.startsWith('0000')
  }

  t.test('date: takes the days that Date knows', async (t) => {
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(date, (day) => accepts('date', day) === exists(day)),
        { numRuns: 5000 },
      ),
    )
  })

  t.test('date: knows the last day of every month of 400 years', async (t) => {
    const wrong: string[] = []
    for (let month = 0; month < 4800; month += 1) {
      const last = new Date(Date.UTC(1800, month + 1, 0)).toISOString().slice(0, 10)
      const next = `${last.slice(0, 8)}${Number(last.slice(8)) + 1}`
      if (accepts('date', last) !== true || accepts('date', next) !== false) wrong.push(last)
    }
    t.same(wrong, [])
  })

  t.test('date-time: takes the instants that Date knows, in the years 0001 to 9999', async (t) => {
    const time = fc.tuple(fc.nat(25), fc.nat(61), fc.nat(61))
    const offset = fc.option(fc.tuple(fc.constantFrom('+', '-'), fc.nat(25), fc.nat(61)))
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(date, time, offset, (day, [hour, minute, second], zone) => {
          const suffix = zone === null ? 'Z' : `${zone[0]}${digits(zone[1], 2)}:${digits(zone[2], 2)}`
          const text = `${day}T${digits(hour, 2)}:${digits(minute, 2)}:${digits(second, 2)}${suffix}`
          const possible = exists(day) && hour < 24 && minute < 60 && second < 60 && (zone === null || (zone[1] < 24 && zone[2] < 60))
          const shift = zone === null ? 0 : (zone[0] === '+' ? -1 : 1) * (zone[1] * 60 + zone[2]) * 60_000
          const year = new Date(Date.parse(`${day}T00:00:00Z`) + ((hour * 60 + minute) * 60 + second) * 1000 + shift).getUTCFullYear()
          return accepts('date-time', text) === (possible && year >= 1 && year <= 9999)
        }),
        { numRuns: 5000 },
      ),
    )
  })

  t.test('date-time: takes whatever Date writes', async (t) => {
    const instant = fc.date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true })
    t.doesNotThrow(() => fc.assert(fc.property(instant, (value) => accepts('date-time', value.toISOString()) === true)))
  })

  t.test('iana-time-zone: takes every name that the runtime lists', async (t) => {
    t.same(
      Intl.supportedValuesOf('timeZone').filter((name) => accepts('iana-time-zone', name) !== true),
      [],
    )
  })
})
