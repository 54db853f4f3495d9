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

  /**
   * As pg does it, but for what it makes around a promise of its own: with that the rows of all answers outlived the collection of young garbage, for a
   * sixth of the CPU of a page and 100 MB.
   */
  override readonly query = ((...given: Given) => {
    const [query, values] = given
    if (given.some((each) => typeof each === 'function') || answersItself(query)) return super.query(...given)
    const answer = new Promise((resolve, reject) => super.query(query, values, (error, result) => (error ? reject(error) : resolve(result))))
    return answer.catch((error) => {
      // Else its stack tells where the answer was read, and not who asked.
      Error.captureStackTrace(error)
      throw error
    })
  }) as pg.Client['query']
}

const answersItself = (query: unknown) => typeof query === 'object' && query !== null && ('submit' in query || 'callback' in query)

/** That of the many ways to ask which has most of what may be given. */
type Given = [query: string, values: unknown[], callback: (error: Error | null, result: pg.QueryResult) => void]

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
