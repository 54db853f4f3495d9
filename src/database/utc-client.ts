import pg from 'pg'

declare module 'pg' {
  interface Client {
    /** What the first packet of a connection says; of pg itself, and not documented. */
    getStartupConf(): Record<string, string>
  }
}

/**
 * A connection whose session is in UTC. PgBouncer knows this parameter by its name, but not within `options` before 1.20, and sets it on whichever
 * connection to the server it lends (test/instances/pooler.test.ts).
 */
export class UtcClient extends pg.Client {
  override getStartupConf(): Record<string, string> {
    return { ...super.getStartupConf(), TimeZone: 'UTC' }
  }
}
