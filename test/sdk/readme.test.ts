import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { startApp } from '../support/app.ts'
import { compile, installSdk, ROOT, SDK } from './installed.ts'

const run = promisify(execFile)

const SERVER = 'http://localhost:3000'
const README = readFileSync(path.join(SDK, 'README.md'), 'utf8')
const BLOCKS = [...README.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block = '']) => block)

/** What the manual says of blocks that create no client: theirs is that of the second program. */
const PRELUDE = `import { createDocket as connect } from '@docket/client'
const docket = connect({ baseUrl: '${SERVER}', username: 'ada', password: 'correct horse battery staple' })
`

t.test('the manual', async (t) => {
  const { folder, sdk } = await installSdk(t)
  const { url } = await startApp(t)
  const files = BLOCKS.map((block, index) => {
    const program = block.includes('const docket =') ? block : PRELUDE + block
    const file = path.join(folder, `${index + 1}.ts`)
    writeFileSync(file, program.replaceAll(SERVER, url))
    return file
  })

  t.test('every block compiles in the strictest settings', async (t) => {
    const compilerOptions = {
      noEmit: true,
      target: 'es2022',
      module: 'nodenext',
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      verbatimModuleSyntax: true,
      erasableSyntaxOnly: true,
      skipLibCheck: false,
      types: ['node'],
      typeRoots: [path.join(ROOT, 'node_modules/@types')],
    }
    writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
    t.doesNotThrow(() => compile(['--project', folder]))
  })

  for (const [index, block] of BLOCKS.entries()) {
    const promised = [...block.matchAll(/\/\/ → (.*)$/gm)].map(([, line]) => line)
    t.test(`block ${index + 1} runs and prints what it says`, async (t) => {
      const { stdout } = await run(process.execPath, [String(files[index])], { cwd: folder })
      t.strictSame(stdout.trimEnd().split('\n'), promised)
    })
  }

  t.test('names every method', async (t) => {
    for (const [group, operations] of Object.entries(sdk.createDocket({ baseUrl: url }))) {
      for (const method of Object.getOwnPropertyNames(Object.getPrototypeOf(operations))) {
        if (method !== 'constructor') t.match(README, `\`${group}.${method}(`)
      }
    }
  })
})
