/**
 * Moves the embedded database of DATA_DIR to the PostgreSQL server of DATABASE_URL, whose database must be empty: all of it or, when it is interrupted,
 * nothing. The embedded database stays as it is. Stop the server first; afterwards start it with DATABASE_URL and the same keys.
 * Usage: DATABASE_URL=postgres://… npm run move-to-server
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { pino } from 'pino'
import { type DatabaseConfig, readConfig } from '../config.ts'
import type { Database } from '../database/database.ts'
import { openEmbedded } from '../database/embedded.ts'
import { migrateServer } from '../database/migrate.ts'
import { type MovedTable, moveRows, requireEmpty, requireSameSchema, UnmovableError } from '../database/moving.ts'
import { explainFailure } from '../explain.ts'
import { keyIdOf, readSecrets, type Secrets } from '../keys.ts'
import { updateSchema } from '../schema.ts'

type Move = Readonly<{ directory: string; target: Extract<DatabaseConfig, { kind: 'server' }>; secrets: Secrets; secretFile: string | undefined }>

/** The settings without DATABASE_URL say what to move, and with it where to. */
function readMove(): Move {
  const source = readConfig({ ...process.env, DATABASE_URL: undefined })
  const directory = source.database.kind === 'embedded' ? source.database.directory : undefined
  if (directory === undefined || !existsSync(path.join(directory, 'postgres'))) {
    throw new UnmovableError(`There is no embedded database in ${directory}. Set DATA_DIR to the directory of the one to move.`)
  }
  const file = path.join(directory, 'secret')
  if (source.auth.secrets === undefined && !existsSync(file)) {
    throw new UnmovableError('Set AUTH_SECRET, or AUTH_KEYS, as it was set for the embedded database.')
  }
  const secrets = readSecrets(source)
  const given = source.auth.secrets !== undefined
  const { database: target } = readConfig({ ...process.env, ...(!given && { AUTH_SECRET: secrets[0] }) })
  if (target.kind !== 'server') throw new UnmovableError('Set DATABASE_URL to the server that the embedded database is to move to.')
  return { directory, target, secrets, secretFile: given ? undefined : file }
}

/** With other keys nobody would be logged in any more, and what is sealed could not be opened. */
async function requireItsKey(source: Database, secrets: Secrets): Promise<void> {
  const key = await source.selectFrom('signing_key').select('key_id').executeTakeFirst()
  if (key !== undefined && !secrets.map(keyIdOf).includes(key.key_id)) {
    throw new UnmovableError('AUTH_SECRET, or AUTH_KEYS, is not as it was for the embedded database. What was sealed with it could not be opened.')
  }
}

await explainFailure(async () => {
  const { directory, target, secrets, secretFile } = readMove()
  const source = await openEmbedded(directory, pino({ level: 'silent' }))
  try {
    let moved: MovedTable[] = []
    await migrateServer(target.listenUrl, async (db, executeSql) => {
      await requireEmpty(db)
      const migrations = await updateSchema(db, executeSql)
      await requireSameSchema(source.db, db)
      await requireItsKey(source.db, secrets)
      moved = await moveRows(source.db, db)
      return migrations
    })
    const lines = moved.map(({ name, rows, checksum }) => `${name.padEnd(24)}${String(rows).padStart(10)} rows   checksum ${checksum}`)
    lines.push(`Everything is on the server. What is in ${directory} stays as it was.`)
    if (secretFile !== undefined) lines.push(`Start Docket with DATABASE_URL, and with AUTH_SECRET set to what is in ${secretFile}.`)
    process.stdout.write(`${lines.join('\n')}\n`)
  } finally {
    await source.close()
  }
})
