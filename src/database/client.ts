import type { Logger } from 'pino'
import type { DatabaseConfig } from '../config.ts'
import type { DatabaseConnection } from './database.ts'
import { openServer } from './server.ts'

/** Opens the database that the settings name. A server need not be up yet; the embedded one is ready when this resolves. */
export async function openDatabase(config: DatabaseConfig, logger: Logger): Promise<DatabaseConnection> {
  if (config.kind === 'server') return openServer(config, logger)
  // Beside a server it is never loaded.
  const { openEmbedded } = await import('./embedded.ts')
  return openEmbedded(config.directory, logger)
}
