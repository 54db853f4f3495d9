/**
 * Has the database take the keys of the settings for those of all instances, when the keys before are lost. Nobody is logged in any more, and links
 * that were mailed are void; passwords and API tokens stay as they are. Stop all instances first.
 * Usage: npm run replace-keys
 */
import { pino } from 'pino'
import { readConfig } from '../config.ts'
import { openDatabase } from '../database/client.ts'
import { replaceSharedKey } from '../database/signing-key.ts'
import { explainFailure } from '../explain.ts'
import { keyIdOf, readSecrets } from '../keys.ts'

await explainFailure(async () => {
  const config = readConfig()
  const { db, close } = await openDatabase(config.database, pino({ level: 'silent' }))
  try {
    await replaceSharedKey(db, keyIdOf(readSecrets(config)[0]))
    process.stdout.write('The keys of the settings are those of all instances now. Everybody has to log in again.\n')
  } finally {
    await close()
  }
})
