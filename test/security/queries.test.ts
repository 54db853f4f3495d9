import t from 'tap'
import { startApp } from '../support/app.ts'
import { type Attack, expectNoDefects, expectVerdicts, requestOf } from './attacks.ts'

const TASKS = '/api/v1/tasks'
const MALFORMED = '400 MALFORMED_REQUEST'
const UNKNOWN = (name: string) => `422 query/${name} additionalProperties`

/** What is asked for in a query: parameters, numbers, cursors, dates and words that are none, or mean something to the database. */
t.test('queries', async (t) => {
  const { url, as, register, registerAdmin, logged } = await startApp(t)
  const [ada, eve, root] = [await register(), await register(), await registerAdmin()]
  const { body: list } = await as(ada)('createList', { body: { title: 'Groceries' }, expect: 201 })
  for (const title of ['Milk', 'Oats', 'Tea']) {
    await as(ada)('createListTask', { params: { listId: list.id }, body: { title, categories: [title, '100%'] }, expect: 201 })
    await as(eve)('createTask', { body: { title, categories: [title] }, expect: 201 })
    await as(ada)('createList', { body: { title }, expect: 201 })
  }

  const ask = (target: string, person = ada) => requestOf(`GET ${target}`, [`Authorization: Bearer ${person.accessToken}`])
  /** Rows of queries, each with its verdict, over one path. */
  const over =
    (path: string, person = ada) =>
    (query: string, verdict: string, also?: Attack[3]): Attack => [
      `${path}?${query.length > 80 ? `${query.slice(0, 60)}… (${query.length} characters)` : query}`,
      ask(`${path}?${query}`, person),
      verdict,
      also,
    ]
  const tasks = over(TASKS)
  const users = over('/api/v1/admin/users', root)
  const titles =
    (...expected: string[]): Attack[3] =>
    (t, { body }) =>
      t.same(
        JSON.parse(body).items.map(({ title }: { title: string }) => title),
        expected,
      )

  const parameters: readonly Attack[] = [
    ...[
      'surprise',
      'Limit',
      'LIMIT',
      'limit ',
      '__proto__',
      'constructor',
      'toString',
      'access_token',
      'api_key',
      'fields',
      'include',
      'offset',
      'page',
    ].map((name) => tasks(`${encodeURIComponent(name)}=1`, UNKNOWN(name))),
    ...['userId', 'ownerId', 'owner_id', 'user', 'all', 'admin', 'listId', 'deleted'].map((name) => tasks(`${name}=1`, UNKNOWN(name))),
    tasks('limit[]=5', UNKNOWN('limit[]')),
    tasks('limit[0]=5', UNKNOWN('limit[0]')),
    tasks('limit[$gt]=5', UNKNOWN('limit[$gt]')),
    tasks('limit.max=5', UNKNOWN('limit.max')),
    tasks('priority[]=high', UNKNOWN('priority[]')),
    tasks('__proto__[limit]=5', UNKNOWN('__proto__[limit]')),
    tasks('=5', UNKNOWN('')),
    tasks('a/b=5', UNKNOWN('a~1b')),
    tasks('limit=5;sort=title', '422 query/limit type'),
    tasks('limit=5?sort=title', '422 query/limit type'),
    tasks('?limit=5', UNKNOWN('?limit')),
    tasks('limit=5&limit=5', '422 query/limit type'),
    tasks('limit=5&%6cimit=6', '422 query/limit type'),
    tasks('sort=title&sort=-title', '422 query/sort type'),
    tasks('completed=true&completed=false', '422 query/completed type'),
    tasks('q=milk&q=oats', '422 query/q type'),
    tasks('cursor=a&cursor=b', '422 query/cursor type'),
    tasks('priority=high,low', '422 query/priority/0 enum'),
    tasks('priority=high&priority=High', '422 query/priority/1 enum'),
    tasks('priority=', '422 query/priority/0 enum'),
    tasks('priority=high&'.repeat(4), '422 query/priority maxItems'),
    tasks('priority=high&'.repeat(900), '422 query/priority maxItems'),
    tasks('category=', '422 query/category/0 minLength'),
    tasks('category=%20%09', '422 query/category/0 minLength'),
    tasks(`category=${'a'.repeat(51)}`, '422 query/category/0 maxLength'),
    tasks('category=a&'.repeat(11), '422 query/category maxItems'),
    tasks('a&'.repeat(7000), '422 query/a additionalProperties'),
    tasks(Array.from({ length: 2000 }, (_, index) => `p${index}`).join('&'), '422 query/p0 additionalProperties'),
    tasks('q=%00', '422 query/q characters'),
    tasks('category=a%00b', '422 query/category characters'),
    tasks('%00=1', '422 query/ characters'),
    ...['q=%ff', 'q=%', 'q=%z1', 'q=%c0%80', 'q=%ed%a0%80', 'q=%f4%90%80%80', 'q=%e2%82', '%ff=1', 'q=%u0041'].map((query) =>
      tasks(query, MALFORMED),
    ),
    tasks('', '200'),
    tasks('&&limit=5&', '200'),
    tasks('category=100%25', '200', titles('Tea', 'Oats', 'Milk')),
    tasks('category=100_', '200', titles()),
    tasks('category=%25', '200', titles()),
    tasks("category=Milk'%20or%20'1'='1", '200', titles()),
    tasks('category=%7BMilk,Oats%7D', '200', titles()),
    tasks('category=Milk&category=Oats', '200', titles()),
    tasks('category=Milk&category=100%25', '200', titles('Milk')),
  ]

  const typed = (name: string, verdict: string) => (text: string) => tasks(`${name}=${text}`, verdict)
  const numbers: readonly Attack[] = [
    ...[
      '0x10',
      '0b1',
      '0o7',
      '1e2',
      '1E1',
      '%205',
      '5%20',
      '%2B5',
      '+5',
      '05',
      '5.0',
      '5.',
      '.5',
      '5,0',
      '1_0',
      '',
      'NaN',
      'Infinity',
      '-',
      '--5',
      '5n',
    ].map(typed('limit', '422 query/limit type')),
    ...['1e400', 'null', 'true', 'all', '%D9%A5', '%EF%BC%95', '5%0a', '5%E2%80%8B', '5;', "5'", '5--', '-0', '99999999999999999999', '1/2'].map(
      (text) => tasks(`limit=${text}`, text === '-0' ? '422 query/limit minimum' : '422 query/limit type'),
    ),
    ...['0', '-1', '-9007199254740993'].map(typed('limit', '422 query/limit minimum')),
    ...['101', '1000', '2147483648', '9007199254740991', '9007199254740993'].map(typed('limit', '422 query/limit maximum')),
    ...['1', '0', 'TRUE', 'True', 'FALSE', 'yes', 'no', 'on', 'off', 't', '', 'null', 'true%20', '%20true', 'true;', '%22true%22'].flatMap((text) => [
      tasks(`completed=${text}`, '422 query/completed type'),
      tasks(`hasDueDate=${text}`, '422 query/hasDueDate type'),
      users(`disabled=${text}`, '422 query/disabled type'),
    ]),
    tasks('limit=1', '200'),
    tasks('limit=100', '200'),
  ]

  const sorts: readonly Attack[] = [
    ...[
      '',
      '-',
      'id',
      'owner_id',
      'created_at',
      'CREATEDAT',
      '--createdAt',
      '%2BcreatedAt',
      '-createdAt%20',
      'createdAt,title',
      'createdAt%20desc',
    ].map(typed('sort', '422 query/sort enum')),
    ...['title;drop%20table%20tasks', '(select%201)', '1', 'password_hash', '__proto__', 'constructor', 'toString', 'title%00'].map((sort) =>
      tasks(`sort=${sort}`, sort.endsWith('%00') ? '422 query/sort characters' : '422 query/sort enum'),
    ),
  ]

  const dates: readonly Attack[] = [
    ...['0000-01-01T00:00:00Z', '0000-12-31T23:59:59Z', '0001-01-01T00:00:00%2B00:01', '10000-01-01T00:00:00Z', '%2B010000-01-01T00:00:00Z'],
    ...[
      '9999-12-31T23:59:59-00:01',
      '-0001-01-01T00:00:00Z',
      '2026-02-29T00:00:00Z',
      '2026-02-01T24:00:00Z',
      '2026-02-01T23:59:60Z',
      '2026-06-30T23:59:60Z',
    ],
    ...['2026-02-01T23:60:00Z', '2026-13-01T00:00:00Z', '2026-00-01T00:00:00Z', '2026-02-00T00:00:00Z', '2026-02-01T00:00:00%2B24:00'],
    ...[
      '2026-02-01T00:00:00%2B01:60',
      '2026-02-01T00:00:00%2B1:00',
      '2026-02-01T00:00:00%2B0100',
      '2026-02-01T00:00:00+01:00',
      '2026-02-01T00:00:00',
    ],
    ...['2026-02-01%2000:00:00Z', '2026-02-01', '2026-02-01Z', '2026-02-01T00:00Z', '2026-W05-7T00:00:00Z', '2026-032T00:00:00Z', '20260201T000000Z'],
    ...[
      '2026-02-01T00:00:00.Z',
      '2026-02-01T00:00:00,5Z',
      '2026-02-01T00:00:00Z%0a',
      '2026-02-01T00:00:00%20Europe/Berlin',
      '2026-02-01T00:00:00Z%20BC',
    ],
    ...[
      'infinity',
      '-infinity',
      'now',
      'today',
      'tomorrow',
      'epoch',
      'allballs',
      'yesterday',
      'J2461000',
      '1769904000',
      '1769904000000',
      '0',
      '-1',
      'null',
      '',
    ],
    ...['01/02/2026', '%D9%A2%D9%A0%D9%A2%D9%A6-02-01T00:00:00Z', '2026-02-01T00:00:00%E2%88%9201:00', "2026-02-01T00:00:00Z'%20or%20true--"],
  ].map((text) => tasks(`dueBefore=${text}`, '422 query/dueBefore format'))
  const moreDates: readonly Attack[] = [
    ...dates,
    tasks(`dueAfter=2026-02-01T00:00:00.${'0'.repeat(60)}Z`, '422 query/dueAfter maxLength'),
    tasks('dueAfter=infinity', '422 query/dueAfter format'),
    ...[
      '0001-01-01T00:00:00Z',
      '9999-12-31T23:59:59.999Z',
      '2026-02-01t00:00:00z',
      '2026-02-01T00:00:00%2B01:00',
      '2024-02-29T00:00:00-23:59',
    ].flatMap((text) => [tasks(`dueBefore=${text}`, '200'), tasks(`dueAfter=${text}`, '200')]),
    tasks(`dueAfter=2026-02-01T00:00:00.${'9'.repeat(32)}Z`, '200'),
    tasks('dueAfter=9999-12-31T23:59:59Z&dueBefore=0001-01-01T00:00:00Z', '200', titles()),
    tasks('hasDueDate=false&dueBefore=9999-12-31T23:59:59Z', '200', titles()),
  ]

  const operators = [
    '&',
    '|',
    '!',
    '<->',
    '<2>',
    '<99999>',
    ':*',
    ':A',
    '(',
    ')',
    '()',
    "'",
    "''",
    '"',
    '""',
    '\\',
    '*',
    '-',
    '--',
    '- -',
    '+',
    'or',
    'or or',
    '%',
    '_',
    '$1',
    '$$',
    ';',
    '<',
    '>',
    '@',
    '#',
    '/',
    '.',
    '~',
    '\u{200b}',
    '\u{202e}',
    '\u{fffd}',
    '\u{1f600}',
  ]
  const words: readonly Attack[] = [
    tasks('q=', '422 query/q minLength'),
    tasks(`q=${'a'.repeat(256)}`, '422 query/q maxLength'),
    tasks(`q=${'%F0%9F%98%80'.repeat(256)}`, '422 query/q maxLength'),
    ...operators.flatMap((operator) => [
      tasks(`q=${encodeURIComponent(operator)}`, '200'),
      tasks(`q=${encodeURIComponent(operator.repeat(255).slice(0, 255).toWellFormed())}`, '200'),
      tasks(`q=${encodeURIComponent(`milk ${operator} milk`)}`, '200'),
    ]),
    tasks(`q=${encodeURIComponent('"a '.repeat(85))}`, '200'),
    tasks(`q=${encodeURIComponent('a or '.repeat(51))}`, '200'),
    tasks(`q=${encodeURIComponent('-a '.repeat(85))}`, '200'),
    tasks(`q=${encodeURIComponent('a '.repeat(127))}`, '200'),
    tasks(`q=${'a'.repeat(255)}`, '200'),
    tasks('q=%20', '200'),
    tasks('q=%0a%09', '200'),
    tasks("q=milk'%20or%201=1%20--", '200'),
    tasks('q=milk', '200', titles('Milk')),
    tasks('q=MILK', '200', titles('Milk')),
    tasks('q=milk%20%26%20!oats', '200', titles()),
    users(`q=${'a'.repeat(255)}`, '422 query/q maxLength'),
    ...['%25', '%25%25', '_%25', '%5C', '.*', "'%20or%20true--", '%F0%9F%98%80'].map((q) =>
      users(`q=${q}`, '200', (t, { body }) => t.same(JSON.parse(body).items, [])),
    ),
    users('role=ADMIN', '422 query/role enum'),
    users('role=', '422 query/role enum'),
    users('role=admin&role=user', '422 query/role type'),
  ]

  for (const [area, attacks] of Object.entries({ parameters, numbers, sorts, dates: moreDates, words })) {
    t.test(area, async (t) => expectVerdicts(t, url, attacks))
  }

  const cursorOf = async (path: string, person = ada): Promise<string> => {
    const response = await fetch(`${url}${path}`, { headers: { Authorization: `Bearer ${person.accessToken}` } })
    return ((await response.json()) as { nextCursor: string }).nextCursor
  }
  const listed = `/api/v1/lists/${list.id}/tasks`
  const own = await cursorOf(`${TASKS}?limit=1`)
  const bytes = Buffer.from(own, 'base64url')
  const position = (text: string) => Buffer.concat([bytes.subarray(0, 16), Buffer.from(text)]).toString('base64url')
  const REFUSED = '422 query/cursor cursor'
  const cursors: Readonly<Record<string, string>> = {
    'of another user': await cursorOf(`${TASKS}?limit=1`, eve),
    'of another sort': await cursorOf(`${TASKS}?limit=1&sort=title`),
    'of the other direction': await cursorOf(`${TASKS}?limit=1&sort=createdAt`),
    'of one list': await cursorOf(`${listed}?limit=1`),
    'of the lists': await cursorOf('/api/v1/lists?limit=1'),
    'of the categories': await cursorOf('/api/v1/categories?limit=1'),
    'of all users': await cursorOf('/api/v1/admin/users?limit=1', root),
    'without its last character': own.slice(0, -1),
    'without its first character': own.slice(1),
    'with one character more': `${own}A`,
    'with padding': `${own}=`,
    'with a space behind it': `${own}%20`,
    'with a line feed behind it': `${own}%0a`,
    'in the other base 64': encodeURIComponent(bytes.toString('base64')),
    'in hexadecimal': bytes.toString('hex'),
    'in another case': own.toLowerCase(),
    'with its signature alone': bytes.subarray(0, 16).toString('base64url'),
    'without its signature': bytes.subarray(16).toString('base64url'),
    'signed with nothing': Buffer.concat([Buffer.alloc(16), bytes.subarray(16)]).toString('base64url'),
    'twice over': own + own,
    'of another position under the same signature': position('[null,"00000000-0000-0000-0000-000000000000"]'),
    'of no JSON under the same signature': position('['),
    'with SQL in it': position(`[null,"' or true --"]`),
    'that is a number': '20',
    'that is an offset': Buffer.from('offset:20').toString('base64url'),
    'that is JSON': encodeURIComponent('{"id":"x"}'),
    'that is null': 'null',
    'that is a path': '..%2f..%2fetc%2fpasswd',
    'of zeros': 'A'.repeat(64),
    'of letters beyond ASCII': '%C3%A4%C3%B6',
    'of 4,096 characters': 'A'.repeat(4096),
  }
  t.test('cursors', async (t) => {
    expectVerdicts(t, url, [
      ...Object.entries(cursors).map(([what, cursor]): Attack => [`a cursor ${what}`, ask(`${TASKS}?limit=1&cursor=${cursor}`), REFUSED]),
      ...Array.from(bytes, (_, index): Attack => {
        const flipped = Buffer.from(bytes)
        flipped.writeUInt8(flipped.readUInt8(index) ^ 1, index)
        return [`a cursor with another byte ${index}`, ask(`${TASKS}?limit=1&cursor=${flipped.toString('base64url')}`), REFUSED]
      }),
      ['the cursor of all tasks in a list', ask(`${listed}?cursor=${own}`), REFUSED],
      ['the cursor of tasks among the lists', ask(`/api/v1/lists?cursor=${own}`), REFUSED],
      ['the cursor of tasks among the categories', ask(`/api/v1/categories?cursor=${own}`), REFUSED],
      ['the cursor of tasks among the users', ask(`/api/v1/admin/users?cursor=${own}`, root), REFUSED],
      ['the cursor of an admin, to somebody who is none', ask(`/api/v1/admin/users?cursor=${cursors['of all users']}`), '403 FORBIDDEN'],
      ['no cursor', ask(`${TASKS}?cursor=`), '422 query/cursor minLength'],
      ['a cursor of 4,097 characters', ask(`${TASKS}?cursor=${'A'.repeat(4097)}`), '422 query/cursor maxLength'],
      ['NUL in a cursor', ask(`${TASKS}?cursor=${own}%00`), '422 query/cursor characters'],
      ['the cursor with other filters, which see the rest of the same tasks', ask(`${TASKS}?q=milk&cursor=${own}`), '200', titles('Milk')],
      ['the cursor itself', ask(`${TASKS}?cursor=${own}`), '200', titles('Oats', 'Milk')],
    ])
  })

  expectNoDefects(t, logged)
})
