import type { Logger } from 'pino'
import type { DatabaseConfig } from '../config.ts'
import type { DatabaseConnection } from './database.ts'
import { openEmbedded } from './embedded.ts'
import { openServer } from './server.ts'
import type { NoteStatement } from './statement-times.ts'

/**
 * Opens the database that the settings name. A server need not be up yet; the embedded one is ready when this resolves.
 * @param noteStatement makes each statement cost a little more
 */
export async function openDatabase(config: DatabaseConfig, logger: Logger, noteStatement?: NoteStatement): Promise<DatabaseConnection> {
  return config.kind === 'server' ? openServer(config, logger, noteStatement) : openEmbedded(config.directory, logger, noteStatement)
}
