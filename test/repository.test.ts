import { readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'

const read = (name: string) => readFileSync(path.resolve(import.meta.dirname, '..', name), 'utf8')

t.test('the repository', async (t) => {
  const settings = [...read('src/config.ts').matchAll(/\('([A-Z][A-Z0-9_]+)'/g)].map(([, name]) => String(name))

  t.test('.env.example and the README have every setting', async (t) => {
    t.ok(settings.length > 20)
    const example = [...read('.env.example').matchAll(/^([A-Z0-9_]+)=/gm)].map(([, name]) => name)
    t.same(example.filter((name) => name !== 'POSTGRES_PASSWORD').sort(), [...new Set(settings)].sort())
    const readme = read('README.md')
    for (const name of settings) t.ok(readme.includes(`\`${name}\``), name)
  })

  t.test('servers and workers are started with the same flags of V8 everywhere', async (t) => {
    const starts = ['package.json', 'Dockerfile', 'docker-compose.yml', 'docs/instances.md'].flatMap((name) =>
      [...read(name).matchAll(/^.*\bnode\b.*src\/(?:main|worker)\.ts/gm)].map(([line]) => ({ name, flags: line.match(/--[a-z0-9-]+=\d+/g) })),
    )
    t.equal(starts.length, 5)
    for (const { name, flags } of starts) t.same(flags, ['--max-semi-space-size=32', '--v8-pool-size=2'], name)
  })

  t.test('the container has every file that the server reads', async (t) => {
    const copied = read('Dockerfile')
    for (const name of ['src', 'generated', 'migrations', 'openapi.yaml', 'package.json']) {
      t.match(copied, new RegExp(`^COPY .*\\b${name.replace('.', '\\.')}\\b`, 'm'))
      t.match(read('.dockerignore'), `!${name}`)
    }
  })
})
