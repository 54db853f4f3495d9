import type { Logger } from 'pino'
import type { DatabaseConfig } from '../config.ts'
import type { DatabaseConnection } from './database.ts'
import { openEmbedded } from './embedded.ts'
import { openServer } from './server.ts'

/** Opens the database that the settings name. A server need not be up yet; the embedded one is ready when this resolves. */
export async function openDatabase(config: DatabaseConfig, logger: Logger): Promise<DatabaseConnection> {
  return config.kind === 'server' ? openServer(config, logger) : openEmbedded(config.directory, logger)
}
