import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'

const COMMAND = path.resolve(import.meta.dirname, '../../src/commands/spec-diff.ts')
/** The last release: what is planted here does not depend on what is new. */
const document = readFileSync(path.resolve(import.meta.dirname, '../../.released/openapi.yaml'), 'utf8')

/** The command as a process of its own: what it says and how it ends. */
async function specDiff(...parameters: string[]) {
  const child = spawn(process.execPath, [COMMAND, ...parameters], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: child.exitCode, output, errors }
}

const edited = (from: RegExp, to: string, original = document) => {
  if (!from.test(original)) throw new Error(`openapi.yaml no longer holds ${from}`)
  return original.replace(from, to)
}
const versioned = (other: string, original = document) => edited(/^ {2}version: .*$/m, `  version: ${other}`, original)

const BREAKING = edited(/(Password:\n(?: .*\n)*? {6}maxLength:) 256/, '$1 128')
const COMPATIBLE = edited(/(Password:\n(?: .*\n)*? {6}maxLength:) 256/, '$1 512')

t.test('spec:diff', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'docket-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const [released, now] = [path.join(directory, '.released/openapi.yaml'), path.join(directory, 'openapi.yaml')]
  const write = (name: string, content: string) => writeFileSync(name, content)

  await t.test('lets the document of today pass', async (t) => {
    const { code, errors } = await specDiff()
    t.same({ code, errors }, { code: 0, errors: '' })
  })

  await t.test('asks for the first release, which spec:release makes', async (t) => {
    write(now, versioned('1.0.0'))
    const missing = await specDiff(released, now)
    t.same(missing, { code: 1, output: '', errors: `There is no released document at ${released}: npm run spec:release makes the first.\n` })
    const { code, output } = await specDiff('--release', released, now)
    t.equal(code, 0)
    t.match(output, /^Released 1\.0\.0: commit .*openapi\.yaml\.\n$/)
    t.equal(readFileSync(released, 'utf8'), versioned('1.0.0'))
  })

  await t.test('says that nothing has changed', async (t) => {
    t.same(await specDiff(released, now), { code: 0, output: 'No client can tell this document from 1.0.0.\n', errors: '' })
    const { code, output } = await specDiff('--release', released, now)
    t.same({ code, output }, { code: 0, output: 'No client can tell this document from 1.0.0.\n1.0.0 has been released already.\n' })
  })

  await t.test('fails on what breaks clients: what, why and where', async (t) => {
    write(now, versioned('1.1.0', edited(/ {8}- UNAVAILABLE\n/, '$&        - RATE_LIMITED\n', BREAKING)))
    const { code, output, errors } = await specDiff(released, now)
    t.equal(code, 1)
    t.match(
      output,
      `Breaking, from 1.0.0 to 1.1.0:
  maxLength 256 → 128
    What a client sends today may be refused, or mean something else.
    - register body/password
Compatible, from 1.0.0 to 1.1.0:
  also RATE_LIMITED
    - register 400 body/code
`,
    )
    t.match(output, /\n {4}- and in \d+ more places\n$/)
    t.equal(errors, 'Clients of 1.0.0 would break. Make these changes compatible, or raise the major of info.version.\n')
    const release = await specDiff('--release', released, now)
    t.equal(release.code, 1)
    t.equal(readFileSync(released, 'utf8'), versioned('1.0.0'), 'nothing is released')
  })

  await t.test('lets a new major version break clients, and lists what', async (t) => {
    write(now, versioned('2.0.0', BREAKING))
    const { code, output, errors } = await specDiff(released, now)
    t.same({ code, errors }, { code: 0, errors: '' })
    t.match(output, /^Breaking, from 1\.0\.0 to 2\.0\.0:\n {2}maxLength 256 → 128\n[\s\S]*\nA new major version may break clients of 1\.0\.0\.\n$/)
  })

  await t.test('releases what is compatible under a new version only', async (t) => {
    write(now, versioned('1.0.0', COMPATIBLE))
    const list = 'Compatible, from 1.0.0 to 1.0.0:\n  maxLength 256 → 512\n    - register body/password\n'
    t.same(await specDiff(released, now), { code: 0, output: list, errors: '' })
    t.same(await specDiff('--release', released, now), {
      code: 1,
      output: list,
      errors: 'Raise info.version before the release: 1.0.0 has been released already, with another document.\n',
    })
    write(now, versioned('1.10.0', COMPATIBLE))
    t.equal((await specDiff('--release', released, now)).code, 0)
    write(now, versioned('1.9.0'))
    t.equal((await specDiff('--release', released, now)).code, 1, '1.9.0 comes before 1.10.0')
    t.equal(readFileSync(released, 'utf8'), versioned('1.10.0', COMPATIBLE))
  })

  await t.test('says in a sentence what it cannot compare or find', async (t) => {
    write(now, edited(/multipleOf|maximum: 86400/, 'multipleOf: 60'))
    const { code, output, errors } = await specDiff(released, now)
    t.same({ code, output }, { code: 1, output: '' })
    t.match(errors, /^#\/components\/schemas\/ExpiresIn has multipleOf, which spec:diff does not compare\. .*\n$/)
    const nowhere = path.join(directory, 'nowhere.yaml')
    t.same(await specDiff(released, nowhere), { code: 1, output: '', errors: `There is no ${nowhere}.\n` })
    write(now, '{')
    t.match(await specDiff(released, now), { code: 1, errors: /unexpected end of the stream/ })
  })
})
