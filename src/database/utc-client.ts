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

/**
 * For reads that find their rows in an index, in its order, so that one plan fits everybody (test/database/plans.test.ts). Left to itself PostgreSQL plans
 * some anew each time for whoever has very many tasks, which takes ten times as long as to run them.
 */
export class IndexReadingClient extends UtcClient {
  override getStartupConf(): Record<string, string> {
    const { options = '', ...others } = super.getStartupConf()
    return { ...others, options: `${options} ${INDEX_OPTIONS}`.trim() }
  }
}

const INDEX_OPTIONS =
  '-c plan_cache_mode=force_generic_plan -c enable_sort=off -c enable_incremental_sort=off -c enable_bitmapscan=off -c enable_seqscan=off'
