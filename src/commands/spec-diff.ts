/**
 * Compares openapi.yaml with the last released one and fails on a change that breaks clients within a major version.
 * Usage: npm run spec:diff [-- <released document> <document>]
 *        npm run spec:release, which then makes openapi.yaml the released one
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type Change, compareSpecs } from '../contract/compatibility.ts'
import { parseSpec, type Spec, SpecError } from '../contract/spec.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
const SHOWN_PLACES = 8

const [releasedFile = path.join(ROOT, '.released/openapi.yaml'), file = path.join(ROOT, 'openapi.yaml')] = process.argv
  .slice(2)
  .filter((argument) => argument !== '--release')

/** Under what has changed and why that matters, where it has: a component is used in many places. */
function listOf(changes: readonly Change[]): string[] {
  const groups = Map.groupBy(changes, ({ what, breaks }) => (breaks === undefined ? what : `${what}\n    ${breaks}`))
  return [...groups].flatMap(([title, group]) => [
    `  ${title}`,
    ...group.slice(0, SHOWN_PLACES).map(({ place }) => `    - ${place}`),
    ...(group.length > SHOWN_PLACES ? [`    - and in ${group.length - SHOWN_PLACES} more places`] : []),
  ])
}

/** Throws when it breaks what it may not break. */
function check(released: Spec, now: Spec): void {
  const [before, after] = [released.document.info.version, now.document.info.version]
  const changes = compareSpecs(released, now)
  const breaking = changes.filter(({ breaks }) => breaks !== undefined)
  const compatible = changes.filter(({ breaks }) => breaks === undefined)
  const isNewMajor = Number.parseInt(after, 10) > Number.parseInt(before, 10)

  if (breaking.length > 0) print([`Breaking, from ${before} to ${after}:`, ...listOf(breaking)])
  if (compatible.length > 0) print([`Compatible, from ${before} to ${after}:`, ...listOf(compatible)])
  if (changes.length === 0) print([`No client can tell this document from ${before}.`])
  if (breaking.length === 0) return
  if (!isNewMajor) throw new SpecError(`Clients of ${before} would break. Make these changes compatible, or raise the major of info.version.`)
  print([`A new major version may break clients of ${before}.`])
}

/** Throws when the version has been released already: a released document never changes. */
function release(released: Spec | undefined, now: Spec): void {
  const version = now.document.info.version
  const before = released?.document.info.version
  if (released?.text === now.text) {
    print([`${version} has been released already.`])
    return
  }
  if (before !== undefined && version.localeCompare(before, 'en', { numeric: true }) <= 0) {
    throw new SpecError(`Raise info.version before the release: ${before} has been released already, with another document.`)
  }
  mkdirSync(path.dirname(releasedFile), { recursive: true })
  writeFileSync(releasedFile, now.text)
  print([`Released ${version}: commit ${path.relative(process.cwd(), releasedFile)}.`])
}

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}

function read(name: string): Spec | undefined {
  try {
    return parseSpec(readFileSync(name, 'utf8'))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

try {
  const [released, now] = [read(releasedFile), read(file)]
  const releasing = process.argv.includes('--release')
  if (now === undefined) throw new SpecError(`There is no ${file}.`)
  if (released === undefined && !releasing)
    throw new SpecError(`There is no released document at ${releasedFile}: npm run spec:release makes the first.`)
  if (released !== undefined) check(released, now)
  if (releasing) release(released, now)
} catch (error) {
  if (!(error instanceof SpecError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
