import fc from 'fast-check'
import t from 'tap'
import { startApp } from '../support/app.ts'

t.test('listTasks and listListTasks with q', async (t) => {
  const { as, register } = await startApp(t)
  const ada = await register()
  const create = async (title: string, description: string | null = null, categories: string[] = []) =>
    (await as(ada)('createTask', { body: { title, description, categories }, expect: 201 })).body
  const TASKS = {
    milk: ['Buy milk', 'Two litres', ['Home', 'shopping']],
    oatMilk: ['Oat milk and oatmeal', null, []],
    eggs: ['Flour/sugar/eggs', 'from ada@example.com, about 3.14', ['home-made']],
    tax: ["Hand in Grace's tax return", 'due 2026-07-31, see https://tax.example.org/forms?id=7', []],
    call: ['Call Grace', 'About the COMPILER\nand <b>COBOL</b> &amp; punch_cards', ['work']],
    emoji: ['Fête 🎉 naïve 買い物', null, ['été']],
    greek: ['ΣΊΣΥΦΟΣ ＡＢＣ', 'Cafe\u0301', []],
    marks: ['Send “The Odyssey”—it’s Omar’s', '¿Cuándo? «Über»\u00admorgen、明日, from -5 to +7→done ❤\uFE0Fly', ['…soon']],
  } as const
  const titles: Record<string, string> = {}
  for (const [name, [title, description, categories]] of Object.entries(TASKS)) titles[(await create(title, description, [...categories])).id] = name
  const found = async (q: string) => {
    const { body } = await as(ada)('listTasks', { query: { q, sort: 'createdAt', limit: 100 }, expect: 200 })
    return body.items.map(({ id }) => titles[id])
  }

  const searches: [string, string, (keyof typeof TASKS)[]][] = [
    ['a word of the title', 'milk', ['milk', 'oatMilk']],
    ['in any case', 'MiLK', ['milk', 'oatMilk']],
    ['a word of the description', 'litres', ['milk']],
    ['in any case there, too', 'compiler cobol', ['call']],
    ['a word of a category', 'shopping', ['milk']],
    ['all of several words, in any order and place', 'home litres milk', ['milk']],
    ['not only some of them', 'milk compiler', []],
    ['the last word may be a beginning', 'hand ta', ['tax']],
    ['a single word may be one', 'oatm', ['oatMilk']],
    ['no other word may be one', 'oatm milk', []],
    ['nor the middle or the end of one', 'ilk', []],
    ['a phrase', '"hand in"', ['tax']],
    ['a phrase is in this order', '"in hand"', []],
    ['a phrase follows at once', '"hand tax"', []],
    ['a phrase and a word', '"oat milk" and', ['oatMilk']],
    ['a quote that is not closed', '"hand in', ['tax']],
    ['a phrase that is closed ends with a whole word', '"oat mil"', []],
    ['a word in quotes is a whole one', '"oat"', ['oatMilk']],
    ['letters with marks beside them', 'Fe\u0302te', ['emoji']],
    ['letters without marks beside them', 'Caf\u00e9', ['greek']],
    ['letters in their wide forms', 'abc', ['greek']],
    ['a word that ends with a sigma', 'σίσυφος', ['greek']],
    ['without a word', 'milk -oat', ['milk']],
    ['without a word, wherever it stands', '-buy milk', ['oatMilk']],
    ['a word that must be absent is a whole one', 'milk -oa', ['milk', 'oatMilk']],
    ['only without a word', '-milk', ['eggs', 'tax', 'call', 'emoji', 'greek', 'marks']],
    ['without two words', '-milk -grace', ['eggs', 'emoji', 'greek', 'marks']],
    ['without a phrase', '-"oat milk"', ['milk', 'eggs', 'tax', 'call', 'emoji', 'greek', 'marks']],
    ['with a word and without a phrase', 'grace -"call grace"', ['tax']],
    ['either of two', 'litres or cobol', ['milk', 'call']],
    ['in capitals as well', 'litres OR cobol', ['milk', 'call']],
    ['either of three, the last a beginning', 'litres or cobol or fl', ['milk', 'eggs', 'call']],
    ['or binds less than two words', 'buy milk or call grace', ['milk', 'call']],
    ['words that a slash parts', 'eggs', ['eggs']],
    ['as they are written', 'sugar/eggs', ['eggs']],
    ['the beginning of a compound', 'home-ma', ['eggs']],
    ['the parts of a compound', 'made', ['eggs']],
    ['without a compound', '-home-made milk', ['milk', 'oatMilk']],
    ['an address', 'ada@example.com', ['eggs']],
    ['a part of an address', 'example', ['eggs', 'tax']],
    ['a number with a point', '3.14', ['eggs']],
    ['a date', '2026-07-31', ['tax']],
    ['the beginning of a date', '2026-07', ['tax']],
    ['a part of a URL', 'forms', ['tax']],
    ['an apostrophe', "grace's", ['tax']],
    ['a word in a tag', 'cobol', ['call']],
    ['an underscore', 'punch_cards', ['call']],
    ['an accent', 'fête', ['emoji']],
    ['another script', '買い物', ['emoji']],
    ['a category with an accent', 'été', ['emoji']],
    ['words in the quotation marks of telephones', 'the odyssey', ['marks']],
    ['a phrase in them', '“call grace”', ['call']],
    ['that is in this order', '“grace call”', []],
    ['and ends with a whole word', '„call grac“', []],
    ['in those of France', '«call grace»', ['call']],
    ['without a phrase in them', 'grace -“call grace”', ['tax']],
    ['an apostrophe of telephones', 'omar’s', ['marks']],
    ['one where the task has that of ASCII, and the other way', "grace’s or omar's", ['tax', 'marks']],
    ['a word beside a dash', 'odyssey it', ['marks']],
    ['a dash is no hyphen', 'call — grace', ['call']],
    ['a word beside an ellipsis', 'soon', ['marks']],
    ['the marks of Spain', 'cuándo', ['marks']],
    ['a soft hyphen is nothing', 'morgen', ['marks']],
    ['a number with a sign, in a phrase', '"from -5 to +7"', ['marks']],
    ['an arrow', 'done', ['marks']],
    ['a heart in colour is a heart', '❤ly', ['marks']],
    ['the comma of Japan', '明日', ['marks']],
    ['hyphens of which only the last has a word', '- - -oat milk', ['milk']],
  ]
  for (const [what, q, expected] of searches)
    t.test(`listTasks: 200 for ${JSON.stringify(q)}: ${what}`, async (t) => {
      t.same(await found(q), expected)
    })

  t.test('listTasks: 200 without a task for a q of punctuation alone', async (t) => {
    for (const q of ['.', '...', '-', '--', '"', '""', '"-"', ' ', '&', '|', '!', ':*', "'", '\\', '()', '<->', '%', '*', '_', '-"', '/'])
      t.same(await found(q), [], q)
  })

  t.test('listTasks: 200 for what means something to a parser of queries', async (t) => {
    for (const q of [
      'milk & buy',
      "milk'",
      'milk:*',
      'milk | zzz',
      '(milk)',
      'milk\\',
      '\\milk',
      "'milk'",
      'milk:A',
      '!milk',
      'buy <-> milk',
      "milk'); drop table tasks; --",
    ]) {
      const { body } = await as(ada)('listTasks', { query: { q }, expect: 200 })
      t.ok(
        body.items.every(({ title }) => title.toLowerCase().includes('milk')),
        q,
      )
    }
    t.same(await found('(milk)'), ['milk', 'oatMilk'])
    t.same(await found("'buy' & milk:*"), ['milk'])
  })

  t.test('listTasks: 200 whatever the words are', async (t) => {
    const piece = fc.oneof(
      fc.constantFrom(
        'milk',
        'or',
        'OR',
        '-',
        '"',
        "'",
        '\\',
        ':',
        '*',
        '&',
        '|',
        '!',
        '(',
        ')',
        '<',
        '>',
        ' ',
        '  ',
        '_',
        '%',
        '$1',
        '@@',
        'ä',
        '🎉',
        '\n',
        '\t',
        '\u0001',
      ),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 5 }).map((text) => text.replaceAll('\0', '')),
    )
    const words = fc
      .array(piece, { minLength: 1, maxLength: 20 })
      .map((pieces) => [...pieces.join('')].slice(0, 255).join(''))
      .filter((text) => text !== '')
    await t.resolves(
      fc.assert(
        fc.asyncProperty(words, async (q) => void (await as(ada)('listTasks', { query: { q, limit: 1 }, expect: 200 }))),
        {
          numRuns: 100,
          examples: [
            ['-"a b"'],
            ['"'],
            ['-'.repeat(255)],
            ['- '.repeat(127)],
            ['-\u2028'.repeat(127)],
            ['-\u1680'.repeat(127)],
            ['"'.repeat(255)],
            ['a '.repeat(127)],
            ['or or or'],
          ],
        },
      ),
    )
  })

  t.test('listTasks: 200 for a word of 255 characters, 422 for one more, for none and for two', async (t) => {
    const word = 'ü'.repeat(255)
    const task = await create(word)
    t.same((await as(ada)('listTasks', { query: { q: word }, expect: 200 })).body.items, [task])
    for (const q of [`${word}x`, '', ['a', 'b']]) {
      const { body } = await as(ada)('listTasks', { query: { q: q as never }, expect: 422 })
      t.match(body.errors, [{ in: 'query', path: '/q' }])
    }
  })

  t.test('listTasks: 200 with what a change says now, and no longer with what it said', async (t) => {
    const { id: taskId } = await create('Sow lettuce', 'in spring', ['garden'])
    const ids = async (q: string) => (await as(ada)('listTasks', { query: { q }, expect: 200 })).body.items.map(({ id }) => id)
    for (const q of ['lettuce', 'spring', 'garden']) t.same(await ids(q), [taskId])
    await as(ada)('updateTask', { params: { taskId }, body: { title: 'Sow radish' }, expect: 200 })
    t.same([await ids('lettuce'), await ids('radish spring garden')], [[], [taskId]])
    await as(ada)('updateTask', { params: { taskId }, body: { description: null, categories: ['balcony'] }, expect: 200 })
    t.same([await ids('spring'), await ids('garden'), await ids('radish balcony')], [[], [], [taskId]])
    await as(ada)('deleteTask', { params: { taskId }, expect: 204 })
    t.same(await ids('radish'), [])
  })

  t.test('listListTasks: 200 with the tasks of the list alone', async (t) => {
    const { body: list } = await as(ada)('createList', { body: { title: 'x' }, expect: 201 })
    const { body: task } = await as(ada)('createListTask', { params: { listId: list.id }, body: { title: 'Sell milk' }, expect: 201 })
    t.same((await as(ada)('listListTasks', { params: { listId: list.id }, query: { q: 'milk' }, expect: 200 })).body.items, [task])
  })
})
