import { readFileSync } from 'node:fs'
import path from 'node:path'
import { CORE_SCHEMA, load, mergeTag } from 'js-yaml'
import t from 'tap'
import { readConfig } from '../src/config.ts'

type Service = Readonly<{
  build?: string
  profiles?: string[]
  environment?: Record<string, string | number>
  depends_on?: Record<string, unknown>
  ports?: string[]
  volumes?: string[]
  extra_hosts?: string[]
  networks?: Record<string, { ipv4_address: string } | null>
}>
type Compose = Readonly<{ services: Record<string, Service> }>

const read = (name: string) => readFileSync(path.resolve(import.meta.dirname, '..', name), 'utf8')

t.test('docker-compose.yml', async (t) => {
  const { services } = load(read('docker-compose.yml'), { schema: CORE_SCHEMA.withTags(mergeTag) }) as Compose
  const ofProfile = (profile: string) => Object.entries(services).filter(([, { profiles = [] }]) => profiles.includes(profile))
  const addressOf = (name: string) => services[name]?.networks?.['instances']?.ipv4_address

  t.test('names settings that there are, with values that are accepted', async (t) => {
    const names = new Set([...read('.env.example').matchAll(/^([A-Z0-9_]+)=/gm)].map(([, name]) => name))
    const ours = Object.entries(services).filter(([, { build }]) => build !== undefined)
    t.same(ours.map(([name]) => name).sort(), ['api', 'api-1', 'api-2', 'worker'])
    for (const [name, { environment = {} }] of ours) {
      for (const setting of Object.keys(environment)) t.ok(names.has(setting), `${name}: ${setting}`)
      // What is not given stands for itself, and its default for what may be given.
      const values = Object.entries(environment).map(([key, value]) => [
        key,
        String(value).replaceAll(/\$\{\w+(?::-(.*?))?\}/g, (_, given) => given ?? 'pw'),
      ])
      t.doesNotThrow(() => readConfig({ AUTH_SECRET: 'q9Wf3kTz7LxV1mPbR8sYcD2gH5jN6uEa', ...Object.fromEntries(values) }), name)
    }
  })

  t.test('only what is needed without a profile has none', async (t) => {
    const plain = Object.entries(services).filter(([, { profiles }]) => profiles === undefined)
    t.same(
      plain.map(([name]) => name),
      ['database', 'mail', 'api'],
    )
  })

  t.test('scaled: the proxy alone publishes a port, and the instances trust it and nothing else', async (t) => {
    const scaled = ofProfile('scaled')
    t.same(
      scaled.flatMap(([name, { ports }]) => (ports === undefined ? [] : [name])),
      ['proxy'],
    )
    for (const name of ['api-1', 'api-2']) t.equal(services[name]?.environment?.['TRUSTED_PROXIES'], addressOf('proxy'))
  })

  t.test('scaled: the proxy knows each instance by its address', async (t) => {
    t.same(services['proxy']?.volumes, ['./docs/haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro'])
    const servers = [...read('docs/haproxy.cfg').matchAll(/^ {2}server (\S+) (\S+):3000$/gm)]
    t.same(
      servers.map(([, name]) => name),
      ['api-1', 'api-2'],
    )
    for (const [, name = '', host] of servers) t.equal(host, name)
    t.same(
      services['proxy']?.extra_hosts,
      servers.map(([, name = '']) => `${name}:${addressOf(name)}`),
    )
  })

  t.test('every service that one waits for starts with it', async (t) => {
    for (const [name, { depends_on = {}, profiles = [] }] of Object.entries(services)) {
      for (const needed of Object.keys(depends_on)) {
        const missing = services[needed]?.profiles
        t.ok(
          services[needed] !== undefined && (missing === undefined || profiles.every((profile) => missing.includes(profile))),
          `${name}: ${needed}`,
        )
      }
    }
  })
})
