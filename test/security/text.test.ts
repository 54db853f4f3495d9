import t from 'tap'
import { startApp } from '../support/app.ts'
import { type Attack, expectNoDefects, expectVerdicts, requestOf } from './attacks.ts'

/** White space as Unicode and ECMAScript have it, the byte order mark included. */
const BLANKS = ['\t', '\n', '\v', '\f', '\r', ' ', '\u{a0}', '\u{1680}', '\u{2000}', '\u{2003}', '\u{2009}', '\u{200a}'].concat([
  '\u{2028}',
  '\u{2029}',
  '\u{202f}',
  '\u{205f}',
  '\u{3000}',
  '\u{feff}',
])

/** Texts that mean something to a database, a shell, a page, a sheet, a log or a terminal. Here they are texts: stored and given back as they are. */
const TEXTS: Readonly<Record<string, string>> = {
  'the end of a statement': "'; drop table tasks; --",
  'a condition that is always true': "' or '1'='1",
  'another query': "' union select password_hash from users --",
  'a comment': '/* x */ --',
  'a quote of dollars': '$$ $tag$ $1 $2',
  'an escaped text': "E'\\x41' U&'\\0041'",
  'a backslash': '\\',
  'a backslash before a quote': "\\'",
  quotes: `'"\`´‘’“”`,
  wildcards: '%_*?[a-z]',
  placeholders: '? :name @name #{name} {{name}} \x24{name} <%= name %>',
  'sums of templates': '{{7*7}} \x24{7*7} #{7*7}',
  'a lookup of log4j': '\x24{jndi:ldap://127.0.0.1/a}',
  formats: '%s %n %x %d %08x %p',
  'a formula': "=cmd|' /C calc'!A0",
  'other formulas': '+1 -1 @sum(a1) \u{ff1d}1',
  'a script': '<script>alert(1)</script>',
  'an image': '"><img src=x onerror=alert(1)>',
  'an entity': '&lt;&#0;&nbsp;',
  'an external entity': '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>&b;',
  'a path': '../../../../etc/passwd',
  'a URL': 'javascript:alert(1)',
  'a command': '; ls | cat `id` $(id) && true',
  'a header': 'x\r\nSet-Cookie: a=b',
  'a line of a log': 'x\n{"level":50,"msg":"forged"}',
  'colours of a terminal': '\x1b[31mred\x1b[0m\x07',
  'every control character but NUL': String.fromCharCode(...Array.from({ length: 31 }, (_, index) => index + 1)).trim(),
  'the control characters behind ASCII': 'x\u{7f}\u{80}\u{85}\u{9f}x',
  'right to left': 'abc \u{5d0}\u{5d1} \u{627}\u{628}',
  'an order that is turned round': 'photo\u{202e}gpj.exe',
  'marks of directions': '\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{2066}\u{2069}',
  'nothing but a space of no width': '\u{200b}',
  'joiners of no width': 'a\u{200c}b\u{200d}c\u{2060}d',
  'a space that looks like a letter': '\u{3164}',
  'soft hyphens': 'a\u{ad}b',
  'a byte order mark inside': 'a\u{feff}b',
  'characters that are none': '\u{fffe}\u{ffff}\u{1fffe}\u{10ffff}',
  'the character for what could not be read': '\u{fffd}',
  'private characters': '\u{e000}\u{f8ff}\u{f0000}',
  tags: '\u{e0001}\u{e0041}',
  'a composed letter': 'caf\u{e9}',
  'the same letter decomposed': 'cafe\u{301}',
  'letters that other forms make one of': '\u{fb01}\u{2126}\u{212b}\u{3a9}\u{ff21}',
  'many marks on one letter': `a${'\u{301}'.repeat(200)}`,
  'letters that grow in another case': '\u{df}\u{130}\u{149}\u{fb03}',
  'the Turkish i': 'I\u{131}\u{130}i',
  'a family': '\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{200d}\u{1f466}',
  'a flag': '\u{1f1fa}\u{1f1f3}',
  'a language without spaces': '牛乳を買いに行く',
  'a word that crashed telephones':
    '\u{644}\u{64f}\u{644}\u{64f}\u{635}\u{651}\u{628}\u{64f}\u{644}\u{64f}\u{644}\u{635}\u{651}\u{628}\u{64f}\u{631}\u{631}\u{64b} \u{963} \u{963}h \u{963} \u{963} \u{5197}',
  'the words of programs': 'null undefined NaN true [object Object] __proto__ constructor',
  'numbers that are none': '1e400 -0 0x10 ٢',
}

t.test('text', async (t) => {
  const { url, as, register, logged } = await startApp(t)
  const ada = await register()
  const authorization = [`Authorization: Bearer ${ada.accessToken}`]
  const post = (body: unknown) => requestOf('POST /api/v1/tasks', authorization, JSON.stringify(body))
  const patchMe = (body: unknown) => requestOf('PATCH /api/v1/users/me', authorization, JSON.stringify(body))
  const stored =
    (expected: object): Attack[3] =>
    (t, { body }) => {
      const task = JSON.parse(body)
      for (const [name, value] of Object.entries(expected)) t.strictSame(task[name], value, name)
    }
  const accepted = (what: string, body: object, expected = body): Attack => [what, post({ title: 'x', ...body }), '201', stored(expected)]
  const refused = (what: string, body: object, verdict: string): Attack => [what, post({ title: 'x', ...body }), verdict]

  t.test('is stored as it is, in a title, a description and a category', async (t) => {
    expectVerdicts(
      t,
      url,
      Object.entries(TEXTS).map(([what, text]) => {
        const category = [...text].slice(0, 50).join('').trim()
        return accepted(what, { title: text, description: text, categories: [category] })
      }),
    )
  })

  t.test('is found again by its category and by its words, whatever it is', async (t) => {
    const rows = Object.entries(TEXTS).flatMap(([what, text]): Attack[] => {
      const category = encodeURIComponent([...text].slice(0, 50).join('').trim())
      const words = encodeURIComponent([...text].slice(0, 255).join(''))
      const target = `/api/v1/tasks?limit=100&category=${category}`
      return [
        [
          `${what}, as a category`,
          requestOf(`GET ${target}`, authorization),
          '200',
          (t, { body }) => t.ok(JSON.parse(body).items.some(({ title }: { title: string }) => title === text)),
        ],
        [`${what}, as words`, requestOf(`GET /api/v1/tasks?q=${words}`, authorization), '200'],
      ]
    })
    expectVerdicts(t, url, rows)
  })

  const invisible = (text: string) =>
    [...text].map((character) => `U+${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}`).join(' ')
  const blanks = BLANKS.flatMap((blank): Attack[] => [
    refused(`a title of ${invisible(blank)}`, { title: blank }, '422 body/title minLength'),
    accepted(`a title with ${invisible(blank)} at both ends`, { title: `${blank}x${blank}` }, { title: 'x' }),
  ])
  const all = BLANKS.join('')

  const emoji = '\u{1f600}'
  const lengths: readonly Attack[] = [
    refused('a title of nothing', { title: '' }, '422 body/title minLength'),
    refused('a title of white space of all kinds', { title: all }, '422 body/title minLength'),
    refused('a category of white space of all kinds', { categories: [all] }, '422 body/categories/0 minLength'),
    accepted('a description of white space, which is never trimmed', { description: all }),
    accepted('an empty description', { description: '' }),
    ...(
      [
        ['letters', 'x'],
        ['letters of two bytes', '\u{e4}'],
        ['letters of three bytes', '\u{5197}'],
        ['emoji, of four bytes and two code units', emoji],
        ['marks without a letter', '\u{301}'],
      ] as const
    ).flatMap(([what, letter]) => [
      accepted(`a title of 255 ${what}`, { title: letter.repeat(255) }),
      refused(`a title of 256 ${what}`, { title: letter.repeat(256) }, '422 body/title maxLength'),
      accepted(`a category of 50 ${what}`, { categories: [letter.repeat(50)] }),
      refused(`a category of 51 ${what}`, { categories: [letter.repeat(51)] }, '422 body/categories/0 maxLength'),
      accepted(`a description of 10,000 ${what}`, { description: letter.repeat(10_000) }),
      refused(`a description of 10,001 ${what}`, { description: letter.repeat(10_001) }, '422 body/description maxLength'),
    ]),
    accepted('a title of 255 letters between spaces', { title: `   ${'x'.repeat(255)}   ` }, { title: 'x'.repeat(255) }),
    accepted('a description of 5,000 words', { description: 'ab'.repeat(10).replaceAll('b', 'b ').repeat(333) }),
    accepted('a description of 5,000 different words', {
      description: Array.from({ length: 2500 }, (_, index) => index.toString(36))
        .join(' ')
        .slice(0, 10_000),
    }),
    accepted('10,000 letters that are large in another form', { description: '\u{fdfa}'.repeat(10_000) }),
    accepted('10,000 letters that grow in another case', { description: '\u{130}'.repeat(10_000) }),
    accepted('a letter with 9,999 marks', { description: `a${'\u{301}'.repeat(9999)}` }),
  ]

  const dueDates: readonly Attack[] = [
    ...[
      'infinity  ',
      '-infinity ',
      'today     ',
      'now       ',
      'epoch     ',
      'allballs  ',
      '0000-01-01',
      '2026-02-30',
      '2026-02-29',
      '1900-02-29',
      '2026-04-31',
    ],
    ...[
      '2026-13-01',
      '2026-00-01',
      '2026-01-00',
      '10000-01-01',
      '-2026-01-01',
      '+2026-01-01',
      '2026-01-01Z',
      '2026-01-01T00:00:00',
      '2026-01-01 00:00:00Z',
    ],
    ...['2026-01-01T24:00:00Z', '2026-12-31T23:59:60Z', '2026-01-01T00:00:00+24:00', '0001-01-01T00:00:00+00:01', '9999-12-31T23:59:59-00:01'],
    ...[
      '2026-01-01T00:00:00z ',
      ' 2026-01-01',
      '2026-01-01\n',
      '٢٠٢٦-٠١-٠١',
      '2026/01/01',
      '01.01.2026 ',
      '2026-W01-1',
      '2026-01-01 BC',
      "2026-01-01'--",
      'P1DT2H3M4S',
    ],
  ].map((dueDate) => refused(`due ${JSON.stringify(dueDate)}`, { dueDate }, '422 body/dueDate format'))
  const moreDueDates: readonly Attack[] = [
    ...dueDates,
    ...['', 'now', 'today', '20260101', '2026-1-1'].map((dueDate) =>
      refused(`due ${JSON.stringify(dueDate)}`, { dueDate }, '422 body/dueDate minLength'),
    ),
    ...[1_769_904_000, true, ['2026-01-01'], { $date: '2026-01-01' }].map((dueDate) =>
      refused(`due ${JSON.stringify(dueDate)}`, { dueDate }, '422 body/dueDate type'),
    ),
    refused('due at more digits than there are', { dueDate: `2026-01-01T00:00:00.${'0'.repeat(60)}Z` }, '422 body/dueDate maxLength'),
    accepted('due on the first day', { dueDate: '0001-01-01' }),
    accepted('due on the last day', { dueDate: '9999-12-31' }),
    accepted('due at the first instant', { dueDate: '0001-01-01T00:00:00Z' }, { dueDate: '0001-01-01T00:00:00.000Z' }),
    accepted('due at the last instant', { dueDate: '9999-12-31T23:59:59.999Z' }),
    accepted('due at the end of all digits', { dueDate: `2026-01-01T00:00:00.${'9'.repeat(32)}Z` }, {}),
    accepted('due on the last day, where it ends in the next year', { dueDate: '9999-12-31', timeZone: 'Etc/GMT+12' }),
  ]

  const zones: readonly Attack[] = [
    'Mars/Phobos',
    '+01:00',
    'GMT+1',
    'CEST',
    'localtime',
    'posixrules',
    'posix/UTC',
    'right/UTC',
    '../../etc/passwd',
    '/etc/localtime',
  ]
    .concat([
      "UTC'; drop table users; --",
      'UTC\n',
      ' UTC',
      'Europe/Berlin ',
      'Europe//Berlin',
      'Europe/Berlin/..',
      'Europe\\Berlin',
      '<+05>-5',
      'interval',
      '__proto__',
      'constructor',
    ])
    .flatMap((timeZone) => [
      [`the zone of a profile: ${JSON.stringify(timeZone)}`, patchMe({ timeZone }), '422 body/timeZone format'] as const,
      refused(`the zone of a task: ${JSON.stringify(timeZone)}`, { timeZone }, '422 body/timeZone format'),
    ])

  for (const [area, attacks] of Object.entries({ blanks, lengths, 'due dates': moreDueDates, 'time zones': zones })) {
    t.test(area, async (t) => expectVerdicts(t, url, attacks))
  }

  t.test('two forms of one letter are two categories, and neither is lost', async (t) => {
    const { body } = await as(ada)('listCategories', { query: { limit: 100 }, expect: 200 })
    const names = body.items.map(({ name }) => name)
    for (const name of ['caf\u{e9}', 'cafe\u{301}']) t.ok(names.includes(name), name)
  })

  expectNoDefects(t, logged)
})
