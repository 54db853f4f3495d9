import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Test } from 'tap'
import { temporaryFolder } from '../support/process.ts'

export const ROOT = path.resolve(import.meta.dirname, '../..')
export const SDK = path.join(ROOT, 'sdk')

export type Sdk = typeof import('../../sdk/src/index.ts')

/** An empty project with the SDK as its users get it. */
export type Project = Readonly<{ folder: string; sdkFolder: string; sdk: Sdk }>

/** Builds and packs the SDK, and unpacks it into an empty project: whatever the package forgets is missing there. */
export async function installSdk(t: Test): Promise<Project> {
  const folder = temporaryFolder(t)
  const packed = path.join(folder, 'packed')
  mkdirSync(packed)
  for (const name of ['package.json', 'README.md', 'LICENSE']) copyFileSync(path.join(SDK, name), path.join(packed, name))
  // The types are checked once, in package.test.ts.
  compile(['--project', SDK, '--noCheck', '--outDir', path.join(packed, 'dist')])
  execFileSync('npm', ['pack', '--ignore-scripts', '--offline', '--silent', '--pack-destination', folder], { cwd: packed })

  const project = path.join(folder, 'project')
  const sdkFolder = path.join(project, 'node_modules/@docket/client')
  mkdirSync(sdkFolder, { recursive: true })
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))
  execFileSync('tar', ['-xzf', path.join(folder, String(tarball)), '-C', sdkFolder, '--strip-components=1'])
  writeFileSync(path.join(project, 'package.json'), '{ "private": true, "type": "module" }')
  const sdk = (await import(pathToFileURL(path.join(sdkFolder, 'dist/index.js')).href)) as Sdk
  return { folder: project, sdkFolder, sdk }
}

/** Runs tsc; what it complains about becomes the message of the error. */
export function compile(options: readonly string[]): void {
  try {
    execFileSync(process.execPath, [path.join(ROOT, 'node_modules/typescript/bin/tsc'), ...options], { encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    throw new Error((error as { stdout: string }).stdout)
  }
}
