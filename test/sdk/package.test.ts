import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { compile, installSdk, ROOT, SDK } from './installed.ts'

const STRICT = {
  noEmit: true,
  target: 'es2022',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  noImplicitOverride: true,
  verbatimModuleSyntax: true,
  isolatedModules: true,
  erasableSyntaxOnly: true,
  skipLibCheck: false,
}
const MODULES = {
  nodenext: { module: 'nodenext', moduleResolution: 'nodenext' },
  bundler: { module: 'esnext', moduleResolution: 'bundler' },
}
const PLATFORMS = {
  'Node.js': { lib: ['es2022'], types: ['node'], typeRoots: [path.join(ROOT, 'node_modules/@types')] },
  browsers: { lib: ['es2022', 'dom', 'dom.iterable'], types: [] },
}

t.test('the package', async (t) => {
  const { folder, sdkFolder } = await installSdk(t)
  const files = readdirSync(sdkFolder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => path.relative(sdkFolder, path.join(parentPath, name)))

  t.test('has code, types, a manual and a licence, and nothing else', async (t) => {
    const others = files.filter((file) => !/^dist\/.+\.(js|d\.ts)$/.test(file))
    t.strictSame(others.toSorted(), ['LICENSE', 'README.md', 'package.json'])
  })

  t.test('needs no other package and no Node.js, and says that importing it does nothing', async (t) => {
    const { dependencies, peerDependencies, optionalDependencies, sideEffects } = JSON.parse(
      readFileSync(path.join(sdkFolder, 'package.json'), 'utf8'),
    )
    t.strictSame([dependencies, peerDependencies, optionalDependencies, sideEffects], [undefined, undefined, undefined, false])
    for (const file of files.filter((file) => file.startsWith('dist/'))) {
      const imported = [...readFileSync(path.join(sdkFolder, file), 'utf8').matchAll(/(?:from|import) ?\(?['"]([^'"]+)['"]/g)].map(([, name]) => name)
      for (const name of imported) t.match(name, /^\.{1,2}\/.+\.js$/, file)
    }
  })

  t.test('is built from sources without a type error', async (t) => {
    t.doesNotThrow(() => compile(['--project', SDK, '--noEmit']))
  })

  const expectations = readFileSync(path.join(import.meta.dirname, 'type-expectations.ts'), 'utf8')
  writeFileSync(path.join(folder, 'expectations.ts'), expectations.replace("'../../sdk/src/index.ts'", "'@docket/client'"))
  for (const [moduleName, moduleOptions] of Object.entries(MODULES)) {
    for (const [platform, platformOptions] of Object.entries(PLATFORMS)) {
      t.test(`its types hold for ${moduleName} and ${platform}, in the strictest settings`, async (t) => {
        const config = path.join(folder, `tsconfig.${moduleName}.${Object.keys(PLATFORMS).indexOf(platform)}.json`)
        writeFileSync(config, JSON.stringify({ compilerOptions: { ...STRICT, ...moduleOptions, ...platformOptions }, files: ['expectations.ts'] }))
        t.doesNotThrow(() => compile(['--project', config]))
      })
    }
  }
})
