import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { readConfig } from '../src/config.ts'
import { deriveKeys, readSecrets } from '../src/keys.ts'
import { testConfig } from './support/app.ts'

const SECRET = 'q9Wf3kTz7LxV1mPbR8sYcD2gH5jN6uEa'

t.test('keys', async (t) => {
  t.test('readSecrets: the one of the settings', async (t) => {
    t.same(readSecrets(readConfig({ AUTH_SECRET: SECRET, DATA_DIR: newDirectory(t) })), [SECRET])
    t.same(readSecrets(readConfig({ AUTH_SECRET: SECRET, DATABASE_URL: 'postgres://localhost/docket' })), [SECRET])
  })

  t.test('readSecrets: without one, a random one that is kept beside the data, for its owner alone', async (t) => {
    const directory = path.join(newDirectory(t), 'deep', 'data')
    const config = readConfig({ DATA_DIR: directory })
    const [secret] = readSecrets(config)
    const file = path.join(directory, 'secret')
    t.equal(secret, readFileSync(file, 'utf8'))
    t.equal(Buffer.from(secret, 'base64url').length, 48)
    t.equal(statSync(file).mode & 0o777, 0o600)
    t.equal(statSync(directory).mode & 0o777, 0o700)
    t.same(readSecrets(config), [secret])
    t.notSame(readSecrets(readConfig({ DATA_DIR: newDirectory(t) })), [secret])
  })

  t.test('readSecrets: a start that was killed while it wrote the secret does no harm', async (t) => {
    const directory = newDirectory(t)
    writeFileSync(path.join(directory, 'secret.new'), '')
    const [secret] = readSecrets(readConfig({ DATA_DIR: directory }))
    t.equal(Buffer.from(secret, 'base64url').length, 48)
    t.equal(existsSync(path.join(directory, 'secret.new')), false)
  })

  t.test('readSecrets: for a database in memory another one each time', async (t) => {
    const config = { ...testConfig(undefined), auth: { ...testConfig(undefined).auth, secrets: undefined } }
    t.same(config.database, { kind: 'embedded', directory: undefined })
    t.notSame(readSecrets(config), readSecrets(config))
  })

  t.test('deriveKeys: 256 bits for each purpose, all different, always the same from the same secret', async (t) => {
    const keys = deriveKeys([SECRET])
    t.same(deriveKeys([SECRET]), keys)
    for (const [purpose, [key]] of Object.entries(keys)) t.equal(key.bytes.length, 32, purpose)
    const all = [...Object.values(keys), ...Object.values(deriveKeys([`${SECRET}x`]))].map(([key]) => key.bytes.toString('hex'))
    t.equal(new Set(all).size, all.length)
    t.notOk(all.includes(Buffer.from(SECRET).toString('hex')))
  })
})

function newDirectory(t: Test): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'docket-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
