import { writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { missingAnswers } from '../support/answers.ts'
import { spec } from '../support/contract-check.ts'

t.test('what a run of all tests has left out', async (t) => {
  const everything = spec.operations.flatMap(({ id, responses }) => [...responses.keys()].map((status) => `${id} ${status}`))
  const record = (t: Test, files: Record<string, string[]>) => {
    const folder = t.testdir()
    for (const [name, answers] of Object.entries(files)) writeFileSync(path.join(folder, name), answers.join('\n'))
    return folder
  }
  t.test('is nothing when every answer was seen', async (t) => {
    t.same(missingAnswers(record(t, { 'tasks 1': everything.slice(0, 100), 'lists 2': everything.slice(100) })), [])
  })

  t.test('is an answer that no test has seen', async (t) => {
    const answers = everything.filter((answer) => answer !== 'getTask 304')
    t.same(missingAnswers(record(t, { 'tasks 1': answers, 'contract 2': answers })), ['No test has brought about getTask 304.'])
  })

  t.test('is an operation that only the walks have called', async (t) => {
    const others = everything.filter((answer) => !answer.startsWith('getTask '))
    t.same(missingAnswers(record(t, { 'tasks 1': [...others, 'getTask 404'], 'contract 2': everything })), [
      'No test outside test/contract is about getTask.',
    ])
  })
})
