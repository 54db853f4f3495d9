import t from 'tap'
import { startApp } from '../support/app.ts'
import { type Attack, expectNoDefects, expectVerdicts, requestOf } from './attacks.ts'

const MALFORMED = '400 MALFORMED_REQUEST'
const UNKNOWN = (name: string) => `422 body/${name} additionalProperties`
const KIBIBYTES_256 = 262_144

/** Bodies that two parsers could read differently, or that could make one work or break. */
t.test('JSON', async (t) => {
  const { url, as, register, logged } = await startApp(t)
  const ada = await register()
  const post = (body: string | Buffer) => requestOf('POST /api/v1/tasks', [`Authorization: Bearer ${ada.accessToken}`], body)
  const nested = (depth: number, inner = '1') => `{"title":${'['.repeat(depth)}${inner}${']'.repeat(depth)}}`
  const objects = (depth: number) => `${'{"title":'.repeat(depth)}1${'}'.repeat(depth)}`
  const array = (length: number, item: (index: number) => string) =>
    `{"title":"x","categories":[${Array.from({ length }, (_, index) => item(index)).join()}]}`
  const titled =
    (title: string): Attack[3] =>
    (t, { body }) =>
      t.equal(JSON.parse(body).title, title)
  const detail =
    (expected: string): Attack[3] =>
    (t, { body }) =>
      t.equal(JSON.parse(body).detail, expected)

  const syntax: readonly Attack[] = [
    ...[
      '{',
      '}',
      '{"title":"x"',
      '{"title":"x',
      '{"title":',
      '{"title"}',
      '{"title":"x",}',
      '{,"title":"x"}',
      '{"title":"x";}',
      '{"title"="x"}',
      "{'title':'x'}",
      '{title:"x"}',
      '{"title":`x`}',
      '{"title":x}',
      '{"title":undefined}',
      '{"title":NaN}',
      '{"title":Infinity}',
      '{"title":-Infinity}',
      '{"title":01}',
      '{"title":+1}',
      '{"title":.5}',
      '{"title":5.}',
      '{"title":1e}',
      '{"title":0x10}',
      '{"title":1_000}',
      '{"title":10n}',
      '{"title":True}',
      '{"title":"a\nb"}',
      '{"title":"a\tb"}',
      '{"title":"\\x41"}',
      '{"title":"\\u00g0"}',
      '{"title":"\\u{41}"}',
      '{"title":"\\\'"}',
      '{"title":"x"} // comment',
      '/* comment */{"title":"x"}',
      '{"title":"x" # comment\n}',
      '{"title":"x"}{"title":"y"}',
      '{"title":"x"}\n{"title":"y"}',
      '{"title":"x"}]',
      '{"title":"x"}\0',
      '{"title":["a" "b"]}',
      '{"title":["a",,"b"]}',
      '{"title":[1,]}',
      '{"title":"x"]',
      '[{"title":"x"}',
      ' ',
      '\n',
      '\u{feff}{"title":"x"}',
      '\u{a0}{"title":"x"}',
      '\v{"title":"x"}',
      '<task/>',
      'title=x',
      ')]}\',\n{"title":"x"}',
      'while(1);{"title":"x"}',
    ].map((body): Attack => [JSON.stringify(body), post(body), MALFORMED]),
    ['spaces of all kinds that JSON has', post(' \t\r\n{\t"title"\r:\n"x" } \r\n'), '201', titled('x')],
    ['escapes', post('{"\\u0074itle":"\\u0078\\/\\b\\ud83d\\ude00"}'), '201', titled('x/\b\u{1f600}')],
  ]

  const bytes: readonly Attack[] = [
    ...(
      [
        ['a byte that UTF-8 never has', [0xff]],
        ['a continuation without a start', [0x80]],
        ['a start without a continuation', [0xc3]],
        ['a slash that is too long (two bytes)', [0xc0, 0xaf]],
        ['a slash that is too long (three bytes)', [0xe0, 0x80, 0xaf]],
        ['a NUL that is too long', [0xc0, 0x80]],
        ['a surrogate', [0xed, 0xa0, 0x80]],
        ['a pair of surrogates (CESU-8)', [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]],
        ['a character beyond the last', [0xf4, 0x90, 0x80, 0x80]],
        ['five bytes for one character', [0xf8, 0x88, 0x80, 0x80, 0x80]],
        ['letters of Latin 1', [0xe4, 0xf6]],
      ] as const
    ).map(([what, inner]): Attack => [what, post(Buffer.concat([Buffer.from('{"title":"'), Buffer.from(inner), Buffer.from('"}')])), MALFORMED]),
    ['UTF-16', post(Buffer.from('{"title":"x"}', 'utf16le')), MALFORMED],
    ['UTF-16 with a byte order mark', post(Buffer.from('\u{feff}{"title":"x"}', 'utf16le')), MALFORMED],
    ['UTF-32', post(Buffer.from([...'{"title":"x"}'].flatMap((character) => [0, 0, 0, character.charCodeAt(0)]))), MALFORMED],
    ['NUL as it is', post('{"title":"a\0b"}'), MALFORMED],
    ['NUL as an escape', post('{"title":"a\\u0000b"}'), '422 body/title characters'],
    ['NUL in a name', post('{"title":"x","a\\u0000":1}'), '422 body characters'],
    ['a lone high surrogate', post('{"title":"\\ud83d"}'), '422 body/title characters'],
    ['a lone low surrogate', post('{"title":"\\ude00"}'), '422 body/title characters'],
    ['surrogates in the wrong order', post('{"title":"\\ude00\\ud83d"}'), '422 body/title characters'],
    ['a surrogate cut off by the end', post('{"title":"x\\ud83"}'), MALFORMED],
    ['a lone surrogate in a list', post('{"title":"x","categories":["a","\\ud83d"]}'), '422 body/categories/1 characters'],
    ['NUL in a field that is none', post('{"title":"x","other":{"deep":["\\u0000"]}}'), '422 body/other/deep/0 characters'],
    ['a surrogate for half a character beside its other half', post('{"title":"\\ud83d\u{1f600}"}'), '422 body/title characters'],
  ]

  const names: readonly Attack[] = [
    ['a name twice', post('{"title":"x","title":"y"}'), MALFORMED, detail('The body names the same field twice.')],
    ['a name twice, once as escapes', post('{"title":"x","\\u0074itle":"y"}'), MALFORMED],
    ['a name twice in an object inside', post('{"title":"x","other":{"a":1,"a":1}}'), MALFORMED],
    ['a name twice in a list inside', post('{"title":"x","categories":[{"a":1,"b":2,"a":3}]}'), MALFORMED],
    ['__proto__ twice', post('{"title":"x","__proto__":1,"__proto__":2}'), MALFORMED],
    ['a name in two objects is not twice', post('{"title":"x","categories":[{"a":1},{"a":{"a":1}}]}'), '422 body/categories/0 type'],
    ['a name as a text is not twice', post('{"title":"title"}'), '201', titled('title')],
    ['a name with brackets, colons and quotes', post('{"title":"x","a\\":{\\"b":1,"a\\\\":2}'), UNKNOWN('a":{"b')],
    ['the name in another case', post('{"title":"x","Title":"y"}'), UNKNOWN('Title')],
    ['the name with a space', post('{"title":"x"," title":"y"}'), UNKNOWN(' title')],
    ['the name in fullwidth letters', post('{"title":"x","ｔitle":"y"}'), UNKNOWN('ｔitle')],
    ['an empty name', post('{"title":"x","":1}'), UNKNOWN('')],
    ['__proto__', post('{"title":"x","__proto__":{"polluted":true}}'), UNKNOWN('__proto__')],
    ['__proto__ as escapes', post('{"title":"x","\\u005f\\u005fproto\\u005f\\u005f":{"polluted":true}}'), UNKNOWN('__proto__')],
    ['__proto__ alone', post('{"__proto__":{"title":"x"}}'), '422 body/title required'],
    ['__proto__ as null', post('{"title":"x","__proto__":null}'), UNKNOWN('__proto__')],
    ['constructor.prototype', post('{"title":"x","constructor":{"prototype":{"polluted":true}}}'), UNKNOWN('constructor')],
    ['constructor as escapes', post('{"title":"x","constru\\u0063tor":{"prototype":{"polluted":true}}}'), UNKNOWN('constructor')],
    ['prototype', post('{"title":"x","prototype":{"polluted":true}}'), UNKNOWN('prototype')],
    ...['toString', 'valueOf', 'hasOwnProperty', 'toJSON', 'then', 'length', '__defineGetter__', '$ref', '$where', '$id'].map(
      (name): Attack => [name, post(`{"title":"x",${JSON.stringify(name)}:1}`), UNKNOWN(name)],
    ),
    ...['id', 'ownerId', 'owner_id', 'userId', 'completedAt', 'createdAt', 'updatedAt', 'dueAt', 'version', 'inbox', 'search', 'role'].map(
      (name): Attack => [`${name}, which is not the client's to set`, post(`{"title":"x","${name}":null}`), UNKNOWN(name)],
    ),
    ['1,000 names that are none', post(`{${Array.from({ length: 1000 }, (_, index) => `"f${index}":1`).join()}}`), '422 body/title required'],
    ['a name of 200 KiB', post(`{"title":"x","${'n'.repeat(200_000)}":1}`), UNKNOWN('n'.repeat(511))],
    [
      'names that fall into one place of many hash tables',
      post(`{${Array.from({ length: 8000 }, (_, index) => `"${'Aa'.repeat(index % 7)}${index}":1`).join()}}`),
      '422 body/title required',
    ],
  ]

  const values: readonly Attack[] = [
    ...['null', 'true', 'false', '0', '-0', '1', '-1.5', '1e400', '-1e400', '1E-400', '""', '"x"', '[]', '[{"title":"x"}]', '["title","x"]'].map(
      (body): Attack => [`${body} and nothing else`, post(body), '422 body type'],
    ),
    ['nothing', post(''), '422 body required'],
    ['an empty object', post('{}'), '422 body/title required'],
    ...['null', 'true', '1', '1e400', '-0', '9007199254740993', '[]', '["x"]', '{}', '{"$gt":""}', '{"toString":"x"}', '{"length":5}'].map(
      (value): Attack => [`a title that is ${value}`, post(`{"title":${value}}`), '422 body/title type'],
    ),
    ...['"true"', '"false"', '1', '0', 'null', '""', '[]', '[true]', '{}'].map(
      (value): Attack => [`completed that is ${value}`, post(`{"title":"x","completed":${value}}`), '422 body/completed type'],
    ),
    ...['"HIGH"', '"urgent"', '" high"', '"high\\n"', '1', 'null', '["high"]', '{}', '"__proto__"'].map(
      (value): Attack => [
        `priority that is ${value}`,
        post(`{"title":"x","priority":${value}}`),
        value.startsWith('"') ? '422 body/priority enum' : '422 body/priority type',
      ],
    ),
    ...['"home"', '{"0":"home"}', '1', 'true', 'null'].map(
      (value): Attack => [`categories that are ${value}`, post(`{"title":"x","categories":${value}}`), '422 body/categories type'],
    ),
    ...['null', '1', '["home"]', '{}', 'true'].map(
      (value): Attack => [`a category that is ${value}`, post(`{"title":"x","categories":[${value}]}`), '422 body/categories/0 type'],
    ),
    ['a number of 10,000 digits', post(`{"title":${'9'.repeat(10_000)}}`), '422 body/title type'],
    ['a number with 10,000 digits behind the point', post(`{"title":0.${'9'.repeat(10_000)}}`), '422 body/title type'],
    ['a number with an exponent of 10,000 digits', post(`{"title":1e${'9'.repeat(10_000)}}`), '422 body/title type'],
  ]

  const sizes: readonly Attack[] = [
    ['31 lists inside one another', post(nested(31)), '422 body/title type'],
    ['32 lists inside one another, and an object around them', post(nested(32)), MALFORMED, detail('The body is nested deeper than 32 levels.')],
    ['32 objects inside one another', post(objects(32)), '422 body/title type'],
    ['33 objects inside one another', post(objects(33)), MALFORMED],
    ['100,000 lists inside one another', post(nested(100_000)), MALFORMED],
    ['100,000 lists that nobody closes', post('['.repeat(100_000)), MALFORMED],
    ['26,000 objects inside one another', post(objects(26_000)), MALFORMED],
    ['brackets in a text are no depth', post(`{"title":"${'['.repeat(200)}"}`), '201'],
    ['brackets behind an escaped quote are no depth', post(`{"title":"\\"${'{['.repeat(100)}"}`), '201'],
    ['a depth behind a text that ends in a backslash', post(`{"title":"\\\\","a":${'['.repeat(100_000)}}`), MALFORMED],
    ['closing brackets first', post(`${']'.repeat(100)}${'['.repeat(100)}`), MALFORMED],
    ['256 KiB and nothing wrong with them', post(`{"title":"x"}${' '.repeat(KIBIBYTES_256 - 13)}`), '201'],
    ['256 KiB that are wrong', post('null'.padEnd(KIBIBYTES_256)), '422 body type'],
    ['a title of 250 KiB', post(`{"title":"${'x'.repeat(250_000)}"}`), '422 body/title maxLength'],
    ['a text of 250 KiB of escapes', post(`{"title":"${'\\u0041'.repeat(41_000)}"}`), '422 body/title maxLength'],
    ['60,000 items that are the same', post(array(60_000, () => '"a"')), '422 body/categories maxItems'],
    ['30,000 items that differ', post(array(30_000, (index) => `"${index}"`)), '422 body/categories maxItems'],
    ['20,000 objects where items are unique', post(array(20_000, (index) => `{"a":${index}}`)), '422 body/categories maxItems'],
    ['100,000 empty lists', post(`{"title":[${'[],'.repeat(80_000)}[]]}`), '422 body/title type'],
    ['11 categories', post(array(11, (index) => `"${index}"`)), '422 body/categories maxItems'],
    ['a category twice', post(array(2, () => '"a"')), '422 body/categories uniqueItems'],
    ['a category twice, once with spaces around', post('{"title":"x","categories":["a"," a "]}'), '422 body/categories uniqueItems'],
    ['10 categories', post(array(10, (index) => `"${index}"`)), '201'],
  ]

  for (const [area, attacks] of Object.entries({ syntax, bytes, names, values, sizes })) {
    t.test(area, async (t) => expectVerdicts(t, url, attacks))
  }

  t.test('nothing has got into the prototypes', async (t) => {
    t.notOk('polluted' in {})
    t.match((await as(ada)('createTask', { body: { title: 'x' }, expect: 201 })).body, { completed: false, priority: 'medium', categories: [] })
  })

  expectNoDefects(t, logged)
})
