/**
 * Runs the tests: on a PostgreSQL server that lives as long as the run, on the one of TEST_DATABASE_URL, or with --embedded on the embedded database.
 * A run of all tests fails as well when the document describes something that no test has seen (answers.ts).
 * Usage: npm test, npm run test:embedded, npm run test:faults, npm test -- test/tasks
 */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { missingAnswers } from './answers.ts'
import { createEmbeddedTemplate, createTemplate, startPostgres } from './postgres.ts'

const embedded = process.argv.includes('--embedded')
const given = process.env['TEST_DATABASE_URL']
const files = process.argv
  .slice(2)
  .filter((argument) => argument !== '--embedded')
  .map((argument) => (argument.endsWith('.ts') ? argument : `${argument}/**/*.test.ts`))
/** Of the docs pages and of the client's package no part depends on the database, the faults bring their own, and several instances need a server. */
const WITH_DATABASE = ['test/*.test.ts', 'test/!(docs|faults|instances|sdk)/**/*.test.ts']

/** Tests end before they would gain from compiling the embedded database's WebAssembly again, and better, which took those of lists and tasks a fifth of their time. */
const EMBEDDED = ['--node-arg=--liftoff-only']

/** Where Node.js keeps what it has made of modules: all test files load the same ones, and so do all servers that they start. */
const COMPILE_CACHE = path.resolve('node_modules/.cache/compile')

const folder = mkdtempSync(path.join(tmpdir(), 'docket-tests-'))
const answers = path.join(folder, 'answers')
mkdirSync(answers)
const embeddedTemplate = path.join(folder, 'data')
const server = embedded ? undefined : given === undefined ? await startPostgres() : { url: given, stop: async () => undefined }
try {
  await (server === undefined ? createEmbeddedTemplate(embeddedTemplate) : createTemplate(server.url))
  const tap = spawn('tap', ['run', ...(embedded ? EMBEDDED : []), ...(embedded && files.length === 0 ? WITH_DATABASE : files)], {
    stdio: 'inherit',
    env: {
      ...process.env,
      NODE_ENV: 'test',
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      DOCKET_TEST_ANSWERS: answers,
      ...(server === undefined ? { DOCKET_TEST_DATA_DIR: embeddedTemplate } : { DOCKET_TEST_SERVER: server.url }),
    },
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => tap.kill(signal))
  process.exitCode = await new Promise<number>((resolve) => tap.once('exit', (code) => resolve(code ?? 1)))
  const missing = files.length > 0 ? [] : missingAnswers(answers)
  for (const sentence of missing) process.stderr.write(`${sentence}\n`)
  if (missing.length > 0) process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
  await server?.stop()
}
