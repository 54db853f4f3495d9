/**
 * Writes src/generated from openapi.yaml. With --check it writes nothing and fails when a file is stale.
 * Usage: npm run generate, npm run generate:check
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createClient } from '@hey-api/openapi-ts'
import config from './openapi-ts.config.ts'

const COMMITTED = path.join(import.meta.dirname, 'src/generated')

async function generateInto(folder: string): Promise<void> {
  await createClient({ ...config, output: { ...(config.output as object), path: folder } })
}

function filesOf(folder: string): Map<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return new Map(
    entries.map(({ parentPath, name }) => {
      const file = path.join(parentPath, name)
      return [path.relative(folder, file), readFileSync(file, 'utf8')]
    }),
  )
}

async function staleFiles(): Promise<string[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'docket-sdk-'))
  try {
    await generateInto(folder)
    const [fresh, committed] = [filesOf(folder), filesOf(COMMITTED)]
    return [...new Set([...fresh.keys(), ...committed.keys()])].filter((name) => fresh.get(name) !== committed.get(name)).sort()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (process.argv.includes('--check')) {
  const stale = await staleFiles()
  for (const name of stale) process.stderr.write(`sdk/src/generated/${name} is stale: run "npm run generate -w sdk" and commit it\n`)
  process.exitCode = stale.length > 0 ? 1 : 0
} else {
  await generateInto(COMMITTED)
}
