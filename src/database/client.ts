import type { Logger } from 'pino'
import type { DatabaseConfig } from '../config.ts'
import type { DatabaseConnection } from './database.ts'
import { openServer } from './server.ts'
import type { NoteStatement } from './statement-times.ts'

/**
 * Opens the database that the settings name. A server need not be up yet; the embedded one is ready when this resolves.
 * @param noteStatement makes each statement cost a little more
 */
export async function openDatabase(config: DatabaseConfig, logger: Logger, noteStatement?: NoteStatement): Promise<DatabaseConnection> {
  if (config.kind === 'server') return openServer(config, logger, noteStatement)
  // Beside a server it is never loaded.
  const { openEmbedded } = await import('./embedded.ts')
  return openEmbedded(config.directory, logger, noteStatement)
}
