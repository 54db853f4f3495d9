import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { readSpec } from '../../src/contract/spec.ts'

/** Folders whose tests call operations because they are there. */
const WALKS = new Set(['contract', 'security'])

/**
 * What a run of all tests has left out, a sentence each: an answer of the document that no test has brought about, or an operation that only the walks
 * over all operations have called, so that nothing says what it is for.
 * @param record a folder with a file for each test, named after the test's folder, of answers like `getTask 200` (contract-check.ts)
 */
export function missingAnswers(record: string, { operations } = readSpec()): string[] {
  const files = readdirSync(record).map((name) => ({
    folder: name.split(' ')[0],
    answers: readFileSync(path.join(record, name), 'utf8').split('\n'),
  }))
  const seen = new Set(files.flatMap(({ answers }) => answers))
  const seenInFeatures = new Set(files.flatMap(({ folder = '', answers }) => (WALKS.has(folder) ? [] : answers)))
  return operations.flatMap(({ id, responses }) => {
    const statuses = [...responses.keys()]
    const unseen = statuses.filter((status) => !seen.has(`${id} ${status}`)).map((status) => `No test has brought about ${id} ${status}.`)
    const succeeds = statuses.some((status) => status < 300 && seenInFeatures.has(`${id} ${status}`))
    return succeeds ? unseen : [...unseen, `No test outside test/contract is about ${id}.`]
  })
}
